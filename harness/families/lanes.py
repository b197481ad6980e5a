"""What can be done with many runs of one network at once, of any family: R lanes on one flat
parameter vector each.

Inside, samples are the last axis, in whole blocks: the CPU kernels of silu, gelu and the like
compute the elements left over after whole SIMD vectors by other code, with other last bits. Without
the padding a lane's numbers would depend on how many lanes are beside it.

Shape suffixes: R lanes, N samples, I inputs, O outputs, P trainable scalars, T knots of a spline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from harness.base.errors import HarnessError
from harness.families.base import samples_last
from harness.families.later import Device, Knots, Tensor, np, spline, torch
from harness.families.layout import flatten, unflatten
from harness.families.shape import ShapeBase
from harness.families.splined import KnotMove, SplinedShape, of_splines

Splined = TypeVar("Splined", bound=SplinedShape)


def initialise(
    network: ShapeBase,
    generators: Sequence[np.random.Generator],
    gain: float,
    dtype: torch.dtype,
    device: Device,
) -> Tensor:
    """`flat_RP`, one lane a generator.

    Drawn in float64 in the order of `parameter_shapes`, so a lane depends on its own generator
    only. The gain multiplies what the family's `scaled` names; all of a user's module.
    """
    lanes = [network.draw_lane(generator, gain) for generator in generators]
    return torch.from_numpy(np.stack(lanes)).to(device=device, dtype=dtype)


def forward(network: ShapeBase, flat_RP: Tensor, knots: Knots, x_RNI: Tensor) -> Tensor:
    """Outputs [R, N, O], differentiable in `flat_RP` and `x_RNI`: once if a KAN has wide layers,
    else to any degree.
    """
    return network.forward(unflatten(network, flat_RP), knots, x_RNI)


def update_knots(
    network: ShapeBase,
    flat_RP: Tensor,
    knots: Knots,
    x_RNI: Tensor,
    grid_eps: float,
    margin: float,
    solver: spline.Solver = "gelsd",
) -> tuple[Tensor, list[Tensor]]:
    """Every layer's knots moved to its activations at x, and coefficients that keep its splines
    there.

    Layer by layer from the input, as pykan does: a layer sees the activations of the layers already
    moved, so its knots span what it will really be given. A network without knots is handed back.
    With the solver `qr` all lanes are fitted together on their own device: numbers are those of
    `gelsd` up to rounding, sooner.
    """
    if not isinstance(network, SplinedShape):
        return flat_RP, list(knots)
    h_RIN, samples = samples_last(x_RNI), x_RNI.shape[1]
    with torch.no_grad():
        parameters = unflatten(network, flat_RP)
        how = KnotMove(samples, grid_eps, margin, solver)
        moved_parameters, moved = network.update_knots(parameters, knots, h_RIN, how)
        return flatten(network, moved_parameters), moved


def extend_grid(
    network: Splined, flat_RP: Tensor, knots: Knots, grid: int, solver: spline.Solver = "gelsd"
) -> tuple[Splined, Tensor, list[Tensor]]:
    """The same function with `grid` intervals a spline: the refined network, its parameters, its
    knots.

    The new knots interpolate the old ones, so that ranges and non-uniformity are kept, and each new
    spline interpolates the old one at the Greville points of its domain. The KAN paper (eq. 2.16)
    and pykan fit the samples instead, which leaves coefficients undetermined once a spline has more
    of them than samples near it. Interpolation needs no data, keeps the function where no sample
    lies, and is exact on the domain when the new knots contain the old ones. It says nothing about
    activations outside of the domain: `update_knots` before it if there may be any.
    """
    if grid < network.grid:
        raise HarnessError(
            f"extend_grid(grid={grid}) would coarsen splines with grid={network.grid}; give "
            "a larger"
        )
    with torch.no_grad():
        finer, parameters = network.model_copy(update={"grid": grid}), unflatten(network, flat_RP)
        finer_knots = []
        for layer, old_RJT in enumerate(knots):
            name, new_RJT = f"layer{layer}.coef", spline.refine_knots(old_RJT, network.order, grid)
            points_RJC, coef = (
                spline.greville_points(new_RJT, network.order),
                of_splines(parameters[name]),
            )
            parameters[name] = spline.move_spline(
                coef, old_RJT, new_RJT, points_RJC, network.order, solver
            )
            finer_knots.append(new_RJT)
        return finer, flatten(finer, parameters), finer_knots
