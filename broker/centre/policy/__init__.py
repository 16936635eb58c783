"""The policy of the exchange at the centre: trying it on the audit trail, and stating it."""
