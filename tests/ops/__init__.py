"""Tests of the ops: every float64 reference against PyTorch, every refusal against PyTorch's."""
