"""The daemon's database: its tables, and what is kept in each."""
