"""What the daemon's jobs hold in memory. The worker's thread owns all of it."""
