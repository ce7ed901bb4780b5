"""The comparison with other engines: the same network with the same weights, run alternately in one process."""
