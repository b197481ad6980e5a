"""Every quantity that a rule can be about: each file here is one, and ends in QUANTITY (`harness.judging.quantity`)."""

import pkgutil
from importlib import import_module

from harness.judging.quantity import Quantity

# Messages, the JSON Schema and docs/verdicts.md begin with these; others come after them, by their names.
FIRST = ("test_loss", "multiplier", "exponent", "count", "exponent_kept", "growth")


def _by_name() -> dict[str, Quantity]:
    files = sorted(file.name for file in pkgutil.iter_modules(__path__))
    found: dict[str, Quantity] = {}
    for name in dict.fromkeys((*FIRST, *files)):
        quantity: Quantity = import_module(f"{__name__}.{name}").QUANTITY
        found[quantity.name] = quantity
    return found


QUANTITIES = _by_name()
