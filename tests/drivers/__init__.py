"""Tests of single driver steps over arrays of their own."""
