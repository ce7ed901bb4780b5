"""Tests of cyconv.io."""
