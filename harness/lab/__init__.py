"""The embedded lab: a small Kubernetes cluster of network namespaces in the real kernel (docs/lab.md)."""
