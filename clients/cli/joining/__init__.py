"""A unit that joins: its home from an invitation, its request over Kafka, the answer, the first check."""
