"""`contrada centre ...`: declarations are light; work is imported when it is done."""
