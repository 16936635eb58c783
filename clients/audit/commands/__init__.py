"""`contrada audit ...`: the declarations of its commands. Each imports its work when it runs."""
