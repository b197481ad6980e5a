"""A family of the user's own, `family: package.module:Class`: one file, of which nothing here knows.

The class is what an arm says, a `Layered`; its `network` is the shape. Its file is part of the identity of every run.
"""

from __future__ import annotations

from harness.base.outside import check_outside, outside_class
from harness.families.base import Layered, ShapeBase

PAGE = "harness/families/base.py"


def load_family(reference: str) -> type[Layered]:
    """The class at `package.module:Class`, found from the current folder as well as the Python path."""
    found = outside_class(reference, "family", "family", Layered)
    check_outside(found, reference, "family", "family", ["network"], PAGE)
    check_outside(found.network, reference, "family", "family", [], PAGE)
    return found


def load_network(reference: str) -> type[ShapeBase]:
    """The class of its networks."""
    return load_family(reference).network
