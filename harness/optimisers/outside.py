"""An optimiser of the user's own, `name: package.module:Class`: one file, of which nothing here knows.

Its file is part of the identity of every run that it trains.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import Field, model_validator

from harness.base.errors import HarnessError
from harness.base.outside import check_outside, outside_class
from harness.base.user_code import version_of
from harness.optimisers.base import GradientOptimiser


class OutsideOptimiser(GradientOptimiser):
    """What a class of the user's derives from; `source` is the version of its code, which nobody writes."""

    source: str = Field("", repr=False)

    @model_validator(mode="before")
    @classmethod
    def _of_the_code_as_it_is(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or "name" not in fields:
            return fields
        return {"source": _version(cls, fields["name"]), **fields}

    def check(self) -> None:
        """A HarnessError if its code has changed since the plan was made."""
        if self.source != _version(type(self), self.name):
            raise HarnessError(
                f"optimizer {self.name}: its code changed since the plan was made; `harness plan FILE --replan` takes "
                "it as it is"
            )


def load_optimiser(reference: str) -> type[OutsideOptimiser]:
    """The class at `package.module:Class`, found from the current folder as well as the Python path."""
    found = outside_class(reference, "optimizer", "name", OutsideOptimiser)  # type: ignore[type-abstract]
    check_outside(found, reference, "optimizer", "name", ["title", "state"], "harness/optimisers/base.py")
    return found


@cache
def _version(kind: type[OutsideOptimiser], name: str) -> str:
    """Of the code that was imported, whatever its file says later."""
    return version_of(kind, name, "optimizer")
