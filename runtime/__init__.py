"""What processes and commands share: Kafka, the frame of a process, the frame of a command.

Imports protocol and keys, never broker or clients.
"""
