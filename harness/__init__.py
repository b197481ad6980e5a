"""harness: a fair comparison of KANs and MLPs."""

__version__ = "0.1.0"
