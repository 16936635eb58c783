"""The ledger: reads the audit topic in order and keeps the transparency log."""
