"""The frame of a process: settings, secrets, logs, health and metrics, lock, worker, databases."""
