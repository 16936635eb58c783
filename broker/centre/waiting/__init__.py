"""Acts for the ledger that take two registrars, between the first signature and the second."""
