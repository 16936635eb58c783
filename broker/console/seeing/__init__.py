"""What the console sees: one look at a time, made by one task for all who watch."""
