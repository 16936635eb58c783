"""What the HTTP pages of all processes share: their queries, and the form of their problems."""
