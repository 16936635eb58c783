"""What the centre gives out for the way to Kafka, and when that ends."""
