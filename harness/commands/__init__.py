"""The commands of ``sourceip``, one module each."""
