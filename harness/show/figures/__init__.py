"""The figures, a file each, and what they share."""
