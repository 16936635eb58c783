"""The unit's check of the ledger: it follows the logs, and compares them with what routers signed."""
