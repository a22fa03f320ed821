"""One client of the Kubernetes API."""
