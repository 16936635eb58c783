"""What units and operators run: the daemon, the command line, the demo. Never imports broker."""
