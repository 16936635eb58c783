"""The console: the centre in a browser, for who would rather look. It reads, and holds no private key."""
