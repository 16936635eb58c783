"""Where the ledger keeps things: its database and the files of its logs."""
