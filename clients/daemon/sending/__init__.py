"""The sender's way: from a submission to a record in the unit's outbox."""
