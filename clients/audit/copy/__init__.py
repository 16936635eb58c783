"""A copy of a ledger: made, continued, and read. Nothing here is trusted before it is checked."""
