"""Collectors for a failure: best effort, never raising into a test."""
