"""The protocol: pure values and functions; no I/O, no clock, no randomness of its own."""
