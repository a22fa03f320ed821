"""One record, shown in several forms."""
