"""The daemon of a national unit: seals and sends, receives and opens, and keeps both on disk."""
