"""The daemon of a national unit: seals, sends, receives, opens, and stores messages."""
