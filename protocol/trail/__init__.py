"""The audit trail: records of decisions and acts, the entries that stand for them, who signed them."""
