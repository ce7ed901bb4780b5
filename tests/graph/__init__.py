"""Tests of cyconv.graph, one file per source file."""
