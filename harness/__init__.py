"""harness: the referee between KANs and MLPs."""

__version__ = "0.1.0"
