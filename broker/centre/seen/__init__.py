"""What the centre sees of the exchange: what is wrong since when, who looks after it, checks, a live view."""
