"""Who comes in, for how long, and what two of them have agreed on."""
