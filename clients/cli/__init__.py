"""The command line `contrada`: data on stdout, talk on stderr, one exit code per kind of outcome."""
