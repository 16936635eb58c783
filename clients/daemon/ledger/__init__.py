"""The unit's watch over the ledger: it follows the logs and holds the centre to what was signed."""
