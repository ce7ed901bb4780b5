"""Benchmarks: what asv runs on every commit, the layer shapes that it shares with the tests, and the comparison with other engines."""
