"""The declarations of commands, one module for each noun. A command imports its work when it runs."""
