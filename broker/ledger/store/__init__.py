"""The ledger's storage: its database of records, and the files of its logs."""
