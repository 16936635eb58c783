"""The work of the centre's operators: founding an exchange, its membership, its inspection."""
