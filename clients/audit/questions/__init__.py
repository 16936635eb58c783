"""Single queries on a copy: search, report, proofs, verification of what an auditor hands in."""
