"""What the centre's operators do: found an exchange, say who takes part, and look on."""
