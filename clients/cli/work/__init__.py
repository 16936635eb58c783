"""What commands do once they run. Heavy imports are allowed here; declarations import this only then."""
