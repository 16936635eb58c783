"""Conversations: what may follow what, and how far a request is answered."""
