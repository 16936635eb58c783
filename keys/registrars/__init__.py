"""What registrars state, and what of it stands."""
