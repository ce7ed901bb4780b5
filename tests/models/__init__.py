"""Tests of cyconv.models."""
