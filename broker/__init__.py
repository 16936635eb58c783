"""The centre's processes: the router and what it needs. Imports protocol and keys, never clients."""
