"""What carries a message: header, key wraps, sealed content, and its commitment."""
