"""Networks of layers, which stand alone or are the feed-forward blocks of a transformer.

Every family that is named here can be both.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from harness.base.outside import OrOutside, place_of_name
from harness.families.base import Layered, LayeredShape
from harness.families.chebyshev_kan import ChebyshevKan
from harness.families.fourier_kan import FourierKan
from harness.families.gated_mlp import GatedMlp
from harness.families.grouped_chebyshev import GroupedChebyshev
from harness.families.kan import Kan
from harness.families.mlp import Mlp
from harness.families.outside import load_family, load_network
from harness.families.rational_kan import RationalKan
from harness.families.rbf_kan import RbfKan
from harness.families.spline_mlp import SplineMlp

INSTALLED_FAMILIES = "harness.families"  # the entry points by which a package adds some

BLOCKS: tuple[type[Layered], ...] = (
    *(Mlp, Kan, SplineMlp, GatedMlp),
    *(RbfKan, ChebyshevKan, FourierKan, RationalKan, GroupedChebyshev),
)


def family_place(family: str) -> str:
    """`package.module:Class` of a family that an installed package adds; else the name as it is."""
    from harness.families import FAMILIES  # these, and those that are no blocks

    return place_of_name(family, INSTALLED_FAMILIES, taken=family in FAMILIES)


if TYPE_CHECKING:
    Block = Layered
    BlockNetwork = LayeredShape
else:  # in a file, the one that its `family` names
    by_family, networks = Field(discriminator="family"), [block.network for block in BLOCKS]
    Block = Annotated[
        reduce(or_, BLOCKS), by_family, OrOutside("family", Layered, load_family, family_place)
    ]
    BlockNetwork = Annotated[
        reduce(or_, networks), by_family, OrOutside("family", LayeredShape, load_network)
    ]
