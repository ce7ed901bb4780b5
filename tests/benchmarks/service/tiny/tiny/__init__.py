"""Something to measure."""
