"""Sending: from a request to a record in the unit's outbox."""
