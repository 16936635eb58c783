"""The commands, one module for each noun. Declarations are light; work is imported when it is done."""
