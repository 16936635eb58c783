"""Joining the exchange over Kafka: what a unit is handed, what it asks and gets, what is read aloud."""
