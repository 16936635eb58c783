"""Numbers that officers copy: check digits, and the machine-readable zones of documents."""
