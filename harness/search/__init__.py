"""Searching the space of an arm: trials, winners, and what the choosing is worth."""
