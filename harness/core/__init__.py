"""What everything else stands on: errors, programs, waiting, cleanup, time limits."""
