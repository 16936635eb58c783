"""Commands and tokens: the options that name one, and the files that do."""
