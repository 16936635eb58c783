"""Joining the exchange over Kafka: what is handed to a unit, what it asks, what it gets, what is read aloud."""
