"""The centre: its router, its ledger, and the commands of its operators. Never imports clients."""
