"""Transactions that Kafka has decided and forgotten to end: found, and ended as it had decided.

A coordinator that is told to commit writes that down, answers, and then writes a marker into each partition.
Kafka 4.1 and later skips a marker when its partition has no leader in that moment, and takes the transaction
for ended (KAFKA-20734): what every replica of a partition may do to it by being killed together, as by a cut
of power. From then on no reader of committed records comes past the transaction, and a position in it stays
unstable. Nothing is lost; nobody can read it. docs/adr/0033 says why it is ended by an operator's command.

    coordinator_log   what coordinators have written down                bytes -> Noted
    verdicts          what is to become of an open transaction           OpenTransaction, Noted -> Verdict
    requests          the two questions that the library does not speak
    search            the I/O: find, end
"""
