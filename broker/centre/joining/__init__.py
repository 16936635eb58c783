"""Units that join over Kafka: whom the centre has invited, what they ask, and what they are answered."""
