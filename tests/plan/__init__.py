"""Tests of src/plan."""
