"""The auditor's tools: they work from a copied directory, without Kafka and without a network."""
