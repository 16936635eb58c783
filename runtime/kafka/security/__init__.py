"""Who one is on the way to Kafka, and what each may do there."""
