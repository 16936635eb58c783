"""What a message says: bodies, items, their fields, and how people write them."""
