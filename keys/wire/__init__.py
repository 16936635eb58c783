"""Certificates for the connections to Kafka: what they say, and the files that hold them."""
