"""Keys that another process of this machine holds: what is asked of it, and by whom it is answered."""
