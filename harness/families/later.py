"""torch, numpy, and the files here that need torch when they are imported: each is imported when it
is first used.

A family is read by all who read an experiment file. `harness status` reads many, and analysis never
waits for torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

__all__ = ["Device", "F", "Knots", "Tensor", "jets", "np", "product", "spline", "torch", "wide"]


class Later:
    """Stands for a module, which is imported when an attribute of it is first asked for."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)  # asked for once only
        return value


if TYPE_CHECKING:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from torch import Tensor

    from harness.families import jets, product, spline, wide
else:
    np, torch, F = Later("numpy"), Later("torch"), Later("torch.nn.functional")
    names = ("spline", "jets", "wide", "product")
    spline, jets, wide, product = (Later(f"harness.families.{name}") for name in names)

    def _tensor(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            raise ValueError("it is no tensor")
        return value

    Tensor = Annotated[
        Any, AfterValidator(_tensor)
    ]  # for annotations, which only pydantic evaluates

if TYPE_CHECKING:
    Knots = Sequence[
        Tensor
    ]  # what the layers of all lanes carry beside their parameters, see `ShapeBase`
    Device = torch.device | str
else:
    Knots = Device = Any
