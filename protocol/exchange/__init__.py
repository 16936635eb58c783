"""The exchange's policy: what the rules of exchange judge by, and what it may be set to."""
