"""What commands of units, auditors and the centre share about the policy of the exchange."""
