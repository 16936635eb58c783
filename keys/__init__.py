"""Keys: private ones in sealed files, public ones in the directory. Imports protocol only."""
