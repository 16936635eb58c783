"""The checks of a full audit of a copy."""
