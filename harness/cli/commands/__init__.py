"""One file a command, which has its name."""
