"""A witness: it cosigns checkpoints that extend what it has seen, and refuses forks."""
