"""Something to measure."""

from tiny._work import reference, work

__all__ = ["reference", "work"]
