"""The whole audit of a copy, check by check."""
