"""Keys in hardware, through PKCS#11."""
