"""The `imges` command, a file for each group of commands."""
