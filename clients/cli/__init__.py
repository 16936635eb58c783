"""The command line `contrada`: data on stdout, messages on stderr, one exit code per kind of outcome.

`commands/` declares the commands; the modules here are imported when a command that needs them runs.
"""
