"""The existing provider against a lab of which it knows nothing but the kubeconfig."""
