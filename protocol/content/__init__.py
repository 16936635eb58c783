"""The content of a message: bodies, items, their fields, and drafts."""
