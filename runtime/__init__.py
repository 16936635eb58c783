"""What processes and commands share.

Imports protocol and keys, never broker or clients.
"""
