"""The command line `contrada`: data on stdout, talk on stderr, one exit code per kind of outcome.

`commands/` declares, and is light; what stands here is imported by the command that needs it, when it runs.
"""
