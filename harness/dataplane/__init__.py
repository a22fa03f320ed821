"""What is in force on each node, by proof, and how to switch it."""
