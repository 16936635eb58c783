"""Single questions to a copy: search, report, proofs, and what an auditor hands in, verified."""
