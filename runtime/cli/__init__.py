"""The frame of a command: help texts, parameters, output, exit codes."""
