"""Tests of modules and layers, against PyTorch."""
