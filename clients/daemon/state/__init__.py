"""The state of the daemon's jobs in memory. The worker's thread owns all of it."""
