"""A real kind cluster with real Calico, made for one run and deleted after it."""
