"""Tests, one file per source file, in the same places."""
