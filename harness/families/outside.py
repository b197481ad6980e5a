"""A family of the user's own, `family: package.module:Class`: one file, of which nothing here
knows.

The class is what an arm says, a `Layered`; its `network` is the shape. Its file is part of the
identity of every run.
"""

from __future__ import annotations

from harness.base.errors import HarnessError
from harness.base.outside import check_outside, outside_class
from harness.families.base import Layered
from harness.families.shape import ShapeBase

PAGE = "harness/families/base.py"


def load_family(reference: str) -> type[Layered]:
    """The class at `package.module:Class`, found from the current folder as well as the Python
    path.
    """
    from harness.families import SIZES  # of the project's families; that module imports this one

    kind = outside_class(reference, "family", "family", Layered)
    check_outside(kind, reference, "family", "family", ["network"], PAGE)
    check_outside(kind.network, reference, "family", "family", ["title", "scaled"], PAGE)
    where, shape = f"family {reference}", kind.network.__name__
    for name in (
        kind.model_fields.keys() - Layered.model_fields.keys() - kind.network.model_fields.keys()
    ):
        raise HarnessError(
            f"{where}: {name!r} is no field of {shape} too, so that it changes nothing; add "
            "it there"
        )
    filled = {"shape", *kind.model_fields} - {"family"}
    for name, field in kind.network.model_fields.items():
        if field.is_required() and name not in filled:
            raise HarnessError(
                f"{where}: field {name!r} of {shape} has no default, and no arm fills it; give "
                "it one"
            )
    for name in kind.sizes:
        if name not in SIZES:
            raise HarnessError(
                f"{where}: sizes names {name!r}; a size that is solved for is {', '.join(SIZES)}"
            )
        if name not in kind.model_fields:
            raise HarnessError(
                f"{where}: sizes names {name!r}, which is no field of {kind.__name__}; add it"
            )
    return kind


def load_network(reference: str) -> type[ShapeBase]:
    """The class of its networks."""
    return load_family(reference).network
