"""`contrada audit ...`: declarations are light; work is imported when it is done."""
