"""Anybody's table of runs: read, fitted and compared."""
