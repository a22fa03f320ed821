"""What must be seen, predicted from facts alone, and the judge. Pure."""
