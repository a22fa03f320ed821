"""A cluster that somebody else runs: used with the rights that its user has, and left as it was found."""
