"""Tests of the functions on arrays, against PyTorch."""
