"""Tests of single micro-kernels, each on every instruction set that this CPU has."""
