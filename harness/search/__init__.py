"""Searching the space of an arm: trials, which of them wins, and how the choice improves with their number."""
