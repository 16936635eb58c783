"""The ledger: it reads the audit topic in order and keeps the transparency log."""
