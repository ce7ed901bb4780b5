"""The tiny project's suite."""
