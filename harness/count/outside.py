"""Whether a family of the user's own is what it says: tried on a small network before anything is
planned with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from harness import families
from harness.base.errors import HarnessError
from harness.base.user_code import calling_user_code
from harness.families.base import SAMPLE_BLOCK, LayeredShape
from harness.families.later import np, torch
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

TRIED_POINTS = 2 * SAMPLE_BLOCK  # whole blocks, so that a part of them is computed as all are
LARGEST_TRIED = 100_000  # parameters


@cache
def check_family(network: LayeredShape) -> None:
    """A HarnessError if a network of a user's family cannot be trained, or counts other work than
    torch does.

    It is drawn and evaluated in two lanes, unless it has more than LARGEST_TRIED parameters.
    """
    with calling_user_code(f"family {network.family}"):
        where = f"family {network.family}, tried on {network.words}"
    with calling_user_code(where):
        _check_counts(network, where)
        if network.trainable <= LARGEST_TRIED:
            _check_draws(network, where)
            _check_outputs(network, where)
            _check_executed(network, where)


def _check_counts(network: LayeredShape, where: str) -> None:
    prices = WEIGHTS[DEFAULT_WEIGHTS]
    counts = {
        "trainable parameters": network.trainable,
        "products": sum(map(network.products, network.layers)),
    }
    for convention in ("per_edge", "shared_dense", "local_min"):
        counts[f"FLOPs under {convention}"] = sum(network.flops(convention, prices))
    counts["executed forward"] = network.executed_forward(prices)
    counts["executed forward and backward"] = network.executed_evaluation(prices)
    for name, value in counts.items():
        if not isinstance(value, int) or value < 0:
            raise HarnessError(
                f"{where}: it counts {name}: {value!r}; give an integer of 0 or more"
            )


def _check_draws(network: LayeredShape, where: str) -> None:
    names: set[str] = set()
    for layer in network.layers:
        for name, shape in network.layer_shapes(layer).items():
            names.add(name)
            values, again = (
                network.draw(layer, name, shape, np.random.default_rng(0)) for _ in range(2)
            )
            if tuple(np.shape(values)) != tuple(shape):
                which = f"{name!r} of layer {layer.number}"
                raise HarnessError(
                    f"{where}: draw gives {list(np.shape(values))} for {which}, not {list(shape)}"
                )
            if not np.array_equal(values, again):
                raise HarnessError(
                    f"{where}: draw gives other values of {name!r} from the same generator; let "
                    "all that is random "
                    "come from `generator`"
                )
    for name in set(network.scaled) - names:
        raise HarnessError(
            f"{where}: scaled names {name!r}, but its parameters are {', '.join(sorted(names))}"
        )
    held, counted = families.parameter_count(network), network.trainable + network.frozen
    if held != counted:
        raise HarnessError(f"{where}: it counts {counted} parameters, but its layers have {held}")


def _check_outputs(network: LayeredShape, where: str) -> None:
    generators = [np.random.default_rng(lane) for lane in range(3)]
    flat_RP = families.initialise(network, generators, 1.0, torch.float64, "cpu")
    knots = network.draw_knots(generators, torch.float64, "cpu")
    points = np.random.default_rng(0).uniform(-1, 1, (1, TRIED_POINTS, network.inputs))
    x_RNI = torch.from_numpy(points).expand(3, -1, -1).contiguous()

    def outputs(lanes: Sequence[int], x_NI: Tensor) -> Tensor:
        chosen = list(lanes)
        with torch.no_grad():
            return families.forward(
                network, flat_RP[chosen], [tensor[chosen] for tensor in knots], x_NI[chosen]
            )

    together = outputs((0, 1), x_RNI)
    shape = [2, TRIED_POINTS, network.outputs]
    if list(together.shape) != shape or together.dtype != torch.float64:
        kind = str(together.dtype).removeprefix("torch.")
        raise HarnessError(
            f"{where}: {TRIED_POINTS} points in float64 give {list(together.shape)} in {kind}, "
            f"not {shape} in float64"
        )
    if not torch.isfinite(together).all():
        raise HarnessError(
            f"{where}: its initial outputs are not all finite on [-1, 1]^{network.inputs}"
        )
    if not torch.equal(together, outputs((0, 1), x_RNI)):
        raise HarnessError(
            f"{where}: two passes of the same points differ; they must not depend on chance"
        )
    apart = [
        outputs((0, 1), x_RNI[:, part])
        for part in (slice(0, SAMPLE_BLOCK), slice(SAMPLE_BLOCK, None))
    ]
    if not torch.allclose(together, torch.cat(apart, 1), rtol=1e-9, atol=1e-12):
        raise HarnessError(
            f"{where}: a point's output depends on the other points, so that it has no error "
            "of its own"
        )
    if not torch.equal(together[0], outputs((0, 2), x_RNI)[0]):
        raise HarnessError(
            f"{where}: the outputs of a lane depend on the other lanes; keep axis R apart "
            "everywhere"
        )


def _check_executed(network: LayeredShape, where: str) -> None:
    from harness.count.dispatched import (  # needs torch
        UnknownOperation,
        executed_evaluation,
        executed_forward,
    )

    prices = WEIGHTS[DEFAULT_WEIGHTS]
    try:
        forward, evaluation = executed_forward(network).flops, executed_evaluation(network).flops
    except UnknownOperation:  # what it costs is the user's word
        return
    for passes, declared, counted, method in (
        ("forward pass", network.executed_forward(prices), forward, "executed"),
        ("forward and backward pass", network.executed_evaluation(prices), evaluation, "backward"),
    ):
        if declared != counted:
            raise HarnessError(
                f"{where}: it counts {declared} FLOPs for a {passes} of one point, but torch "
                f"executes {counted}; mend "
                f"layer_{method}, or expansion_{method} of an ExpansionShape"
            )
