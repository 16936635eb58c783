"""Administration of a ledger: founding, inspection, export, renewal of its policy."""
