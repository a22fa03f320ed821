"""The owner: process 1 of a lab, from its first namespace to its last process (docs/lab.md)."""
