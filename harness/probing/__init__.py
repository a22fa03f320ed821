"""Sending samples from a client and reading the replies."""
