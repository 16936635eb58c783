"""The auditor's tools. They work on a copied directory, without Kafka and without a network."""
