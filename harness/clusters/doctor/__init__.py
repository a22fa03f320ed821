"""What this machine has and lacks for each provider, with the command that supplies what is missing."""
