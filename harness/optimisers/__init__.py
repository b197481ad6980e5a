"""Optimisers, a file each: settings, FLOPs, what each refuses to learn, and its torch lanes.

`base.py` says what an optimiser gives. One that is named in OPTIMISERS is known everywhere: in
experiment files and their schema, on the command line, in counts, plans, the torch engine and
reports.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, get_args

from pydantic import Field

from harness.base.outside import OrOutside
from harness.optimisers.adam import Adam
from harness.optimisers.base import LaneObjective, LaneState, Optimiser
from harness.optimisers.lbfgs import Lbfgs
from harness.optimisers.levenberg import LevenbergMarquardt
from harness.optimisers.outside import OutsideOptimiser, load_optimiser

KINDS: tuple[type[Optimiser], ...] = (Adam, Lbfgs, LevenbergMarquardt)
OPTIMISERS = {get_args(kind.model_fields["name"].annotation)[0]: kind for kind in KINDS}

if TYPE_CHECKING:
    OptimiserField = Optimiser
    PenaltyOptimiserField = Optimiser
else:  # in a file, the one that its `name` names
    by_name, or_outside = Field(discriminator="name"), OrOutside("name", Optimiser, load_optimiser)
    of_penalties = [kind for kind in KINDS if not kind.needs_squares]
    OptimiserField = Annotated[reduce(or_, KINDS), by_name, or_outside]
    PenaltyOptimiserField = Annotated[reduce(or_, of_penalties), by_name, or_outside]
