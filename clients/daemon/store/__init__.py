"""The daemon's database: its tables, and access to each."""
