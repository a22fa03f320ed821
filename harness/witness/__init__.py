"""Independent accounts of the source address of a sample."""
