"""Keys: custody of private keys in sealed files, and the directory of public ones. Imports protocol only."""
