"""Families of networks, a file each: what an arm says, the network of it, what it computes and
counts, and its words.

`base.py` says what a family gives. A family that is named in FAMILIES is known everywhere: in
experiment files and their schema, on the command line, in counts, engines, tables and reports.
"""

from __future__ import annotations

import itertools
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from harness.base.outside import OrOutside
from harness.families.base import (
    LARGEST_DEPTH,
    ArchitectureBase,
    Depth,
    Hidden,
    Layered,
    LayeredShape,
)
from harness.families.blocks import BLOCKS, INSTALLED_FAMILIES, family_place
from harness.families.chebyshev_kan import ChebyshevKan, ChebyshevKanShape
from harness.families.fourier_kan import FourierKan, FourierKanShape
from harness.families.gated_mlp import GatedMlp, GatedMlpShape
from harness.families.grouped_chebyshev import GroupedChebyshev, GroupedChebyshevShape
from harness.families.jacobian import residual_jacobian
from harness.families.kan import Kan, KanShape, edges, keep_nodes
from harness.families.lanes import extend_grid, forward, initialise, update_knots
from harness.families.layout import flatten, of_layer, parameter_count, unflatten
from harness.families.mlp import Activation, Mlp, MlpShape
from harness.families.module import Module, ModuleCounts, ModuleShape
from harness.families.outside import load_family, load_network
from harness.families.rational_kan import RationalKan, RationalKanShape
from harness.families.rbf_kan import RbfKan, RbfKanShape
from harness.families.shape import ShapeBase
from harness.families.spline_mlp import SplineMlp, SplineMlpShape
from harness.families.splined import SplinedShape
from harness.families.transformer import Transformer, TransformerShape

ARCHITECTURES: tuple[type[ArchitectureBase], ...] = (*BLOCKS, Module, Transformer)
FAMILIES = {
    architecture.network.model_fields["family"].default: architecture
    for architecture in ARCHITECTURES
}

SIZES = tuple(
    dict.fromkeys(itertools.chain(*(architecture.sizes for architecture in ARCHITECTURES)))
)


if TYPE_CHECKING:
    Architecture = ArchitectureBase
    Network = ShapeBase
else:  # in a file, the one that its `family` names
    by_family, networks = (
        Field(discriminator="family"),
        [family.network for family in ARCHITECTURES],
    )
    or_outside = OrOutside("family", ArchitectureBase, load_family, family_place)
    Architecture = Annotated[reduce(or_, ARCHITECTURES), by_family, or_outside]
    Network = Annotated[
        reduce(or_, networks), by_family, OrOutside("family", ShapeBase, load_network)
    ]


def family_named(family: str) -> type[ArchitectureBase]:
    """The family of that name, of an installed package too, or the user's own at
    `package.module:Class`.
    """
    place = family_place(family)
    return load_family(place) if ":" in place else FAMILIES[family]
