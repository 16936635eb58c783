"""Copies of a ledger: making, continuing and reading one. Nothing in it is trusted before it is checked."""
