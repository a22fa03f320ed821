"""What is checked against a cluster."""
