"""Anybody's table of runs: read, fitted, compared, shown and drawn; see `commands` for what asks for it."""
