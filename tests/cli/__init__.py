"""Tests of cyconv.cli."""
