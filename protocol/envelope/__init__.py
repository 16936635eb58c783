"""The envelope: header, key wraps, sealed content, and its commitment."""
