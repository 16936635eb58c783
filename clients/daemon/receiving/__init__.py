"""Receiving: from a record in the unit's inbox to a message that is shown."""
