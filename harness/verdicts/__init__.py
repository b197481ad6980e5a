"""Decision rules evaluated on the runs of their experiments."""

from harness.verdicts.words import rule_words

__all__ = ["rule_words"]
