"""The frame of a command: its look, what it takes, what it prints, and how it ends."""
