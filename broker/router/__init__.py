"""The router: it verifies what units submit, decides by the rules, and delivers. It cannot read content."""
