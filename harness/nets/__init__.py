"""Batched networks: R independent runs of one architecture, evaluated together on a flat parameter vector a lane."""

from harness.nets.jacobian import residual_jacobian
from harness.nets.kan import keep_nodes
from harness.nets.laplacian import forward_laplacian
from harness.nets.layout import flatten, parameter_count, parameter_shapes, unflatten
from harness.nets.network import (
    edges,
    extend_grid,
    forward,
    initial_carried,
    initial_knots,
    initialise,
    update_knots,
)

__all__ = [
    "edges",
    "extend_grid",
    "flatten",
    "forward",
    "forward_laplacian",
    "initial_carried",
    "initial_knots",
    "initialise",
    "keep_nodes",
    "parameter_count",
    "parameter_shapes",
    "residual_jacobian",
    "unflatten",
    "update_knots",
]
