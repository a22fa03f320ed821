"""Providers: each yields a Cluster."""
