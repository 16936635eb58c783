"""Single questions to a copy: search, report, proof, and the verification of what is handed in."""
