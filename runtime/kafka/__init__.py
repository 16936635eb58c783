"""Kafka adapters: the one import of aiokafka, reading, writing, transactions, topics."""
