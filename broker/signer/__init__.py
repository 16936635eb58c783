"""The process that holds a router's key, and signs for it."""
