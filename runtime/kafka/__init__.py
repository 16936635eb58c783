"""Kafka as our processes use it: the one import of aiokafka, reading, writing, transactions, topics."""
