"""Transparency logs in the formats of C2SP: tiles, notes, checkpoints, proofs, witnessing. Pure."""
