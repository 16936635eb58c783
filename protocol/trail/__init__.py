"""The audit trail: records of decisions and acts, their log entries, and their signatures."""
