"""Loss and gradient of one network by everybody: ours, other people's packages, and short code in
their style.

    everybody = of_kan(network, flat, x, y)          # name -> Implementation
    loss = everybody["pykan"].evaluate()             # gradients are made too, and thrown away

All get the same float64 parameters [P] in the layout of `harness.families`, samples x [N, I] and
targets y [N, O]. Those that are B-splines compute the same function, which `evaluate`'s loss shows.
"""

import io
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness import families
from harness.families import KanShape, MlpShape
from harness.families.layout import of_layer
from harness.train.fused import kernels
from harness.train.fused.sizes import SQUARES

Array = np.ndarray

FUSED, TORCH, PYKAN, DENSE, INKAN, RBF = (
    "fused (ours)",
    "torch (ours)",
    "pykan",
    "dense",
    "inkan",
    "fast-kan style",
)
MLP_TORCH, MLP_FUSED = "MLP, torch", "MLP, fused (ours)"
WHAT = {
    FUSED: "B-splines of order 1 to 5, any knots",
    TORCH: "B-splines of order 1 to 5, any knots; two lanes, time of one",
    PYKAN: "B-splines of any order, any knots; after `speed()`",
    DENSE: (
        "B-splines of any order, any knots; all bases by Cox-de Boor, one product, as efficient-kan"
    ),
    INKAN: "B-splines of order 3 on uniform knots; eager",
    RBF: "no splines: Gaussians after a LayerNorm; other parameters",
    MLP_TORCH: "no KAN: silu, nearest number of parameters",
    MLP_FUSED: "no KAN: silu, nearest number of parameters",
}
IS_SPLINE = {name: not what.startswith("no ") for name, what in WHAT.items()}


class Implementation(NamedTuple):
    """`evaluate` makes loss and gradient and returns the loss; `parameters` are the trainable
    scalars of a lane.
    """

    evaluate: Callable[[], float]
    parameters: int
    lanes: int = 1


# --------------------------------------------------------------------------------------------------
# ours
def fused(network: KanShape | MlpShape, flat: Array, x: Array, y: Array) -> Implementation:
    """The compiled kernels."""
    loss, kind, sizes, knots, x_IN, y_ON, work = problem(network, x, y)
    gradient = np.empty_like(flat)
    return Implementation(
        lambda: kernels.loss_and_gradient(
            loss, kind, sizes, flat, knots, x_IN, y_ON, gradient, work
        ),
        flat.size,
    )


def problem(network: KanShape | MlpShape, x: Array, y: Array) -> tuple:
    """What the compiled optimisers train on: a network with its first knots, and samples."""
    kind, sizes = kernels.describe(network)
    knots = [layer.numpy().ravel() for layer in network.initial_knots(1, torch.float64, "cpu")]
    flat_knots = np.concatenate([np.empty(0), *knots])
    return SQUARES, kind, sizes, flat_knots, x.T.copy(), y.T.copy(), kernels.workspace(network)


def batched(
    network: KanShape | MlpShape, flat: Array, x: Array, y: Array, lanes: int = 2
) -> Implementation:
    """The evaluator of the torch engine, with as many lanes as a lone run has there."""
    flat_RP, x_RNI, y_RNO = (torch.from_numpy(np.stack([array] * lanes)) for array in (flat, x, y))
    flat_RP.requires_grad_()
    knots = network.initial_knots(lanes, torch.float64, "cpu")

    def evaluate() -> float:
        loss_R = (families.forward(network, flat_RP, knots, x_RNI) - y_RNO).square().mean((1, 2))
        torch.autograd.grad(loss_R.sum(), flat_RP)
        return loss_R[0].item()

    return Implementation(evaluate, flat.size, lanes)


# --------------------------------------------------------------------------------------------------
# others
def pykan(network: KanShape, flat: Array, x: Array, y: Array) -> Implementation:
    """pykan's network in its speed mode, which is what its `fit` runs."""
    return _of_module(pykan_model(network, flat).speed(), x, y)


def pykan_model(network: KanShape, flat: Array):
    """pykan's network with our parameters; its two scales a spline are our base weights and 1."""
    with (
        warnings.catch_warnings(),
        redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory() as folder,
    ):
        warnings.simplefilter("ignore")
        import kan

        model = kan.KAN(
            width=list(network.shape),
            grid=network.grid,
            k=network.order,
            auto_save=False,
            ckpt_path=folder,
        ).double()
    for layer, theirs in enumerate(model.act_fun):
        coef_ICO, base_IO = _layer(network, flat, layer)
        theirs.coef.data = coef_ICO.transpose(1, 2).contiguous()
        theirs.scale_base.data = base_IO.clone()
        theirs.scale_sp.data = torch.ones_like(base_IO)
        theirs.grid.data = network.initial_knots(1, torch.float64, "cpu")[layer][0].clone()
    return model


def inkan(network: KanShape, flat: Array, x: Array, y: Array) -> Implementation:
    """inkan's network, not compiled."""
    from inkan import KANNetwork

    model = KANNetwork(list(network.shape), grid_size=network.grid, compile_basis=False).double()
    for layer, theirs in enumerate(model.layers):
        coef_ICO, base_IO = _layer(network, flat, layer)
        theirs.grid_starts = network.initial_knots(1, torch.float64, "cpu")[layer][
            0, 0, : theirs.n_bases
        ]
        theirs.weight.data = torch.cat([coef_ICO.flatten(0, 1).T, base_IO.T], 1).contiguous()
    return _of_module(model, x, y)


def dense(network: KanShape, flat: Array, x: Array, y: Array) -> Implementation:
    """All bases of all inputs and one product: our code, in the style of efficient-kan."""
    knots = network.initial_knots(1, torch.float64, "cpu")
    layers = []
    for layer in range(len(network.shape) - 1):
        coef_ICO, base_IO = _layer(network, flat, layer)
        layers.append((coef_ICO.flatten(0, 1).T.contiguous(), base_IO.T.contiguous()))

    def forward(h: Tensor) -> Tensor:
        for (coef, base), knots_RIT in zip(layers, knots, strict=True):
            h = F.linear(F.silu(h), base) + F.linear(
                _all_bases(h, knots_RIT[0], network.order).flatten(1), coef
            )
        return h

    return _with_torch(forward, list(chain.from_iterable(layers)), x, y)


def _all_bases(x_NI: Tensor, knots_IT: Tensor, order: int) -> Tensor:
    """[N, I, C] by the Cox-de Boor recursion."""
    knots, x = knots_IT, x_NI[..., None]
    bases = ((x >= knots[:, :-1]) & (x < knots[:, 1:])).to(x.dtype)
    for degree in range(1, order + 1):
        begin, end = knots[:, :-degree], knots[:, degree:]
        rising = (x - begin[:, :-1]) / (end - begin)[:, :-1] * bases[..., :-1]
        falling = (end[:, 1:] - x) / (end - begin)[:, 1:] * bases[..., 1:]
        bases = rising + falling
    return bases


def radial(network: KanShape, flat: Array, x: Array, y: Array) -> Implementation:
    """Gaussians in place of splines: our code, in the style of fast-kan, with its own initial
    parameters.
    """
    centres = torch.linspace(-2, 2, network.grid, dtype=torch.float64)
    inverse_width = (network.grid - 1) / 4
    layers = [
        (
            nn.LayerNorm(inputs),
            nn.Linear(inputs * network.grid, outputs, bias=False),
            nn.Linear(inputs, outputs),
        )
        for inputs, outputs in pairwise(network.shape)
    ]

    def forward(h: Tensor) -> Tensor:
        for norm, weights, base in layers:
            distance = (norm(h)[..., None] - centres) * inverse_width
            h = weights(torch.exp(-distance.square()).flatten(1)) + base(F.silu(h))
        return h

    modules = nn.ModuleList(chain.from_iterable(layers)).double()
    return _with_torch(forward, list(modules.parameters()), x, y)


def mlp(network: MlpShape, flat: Array, x: Array, y: Array) -> Implementation:
    """Plain torch: linear maps and silu."""
    return _of_module(mlp_model(network, flat), x, y)


def mlp_model(network: MlpShape, flat: Array) -> nn.Sequential:
    """torch's MLP with our parameters."""
    model = nn.Sequential()
    parameters = families.unflatten(network, torch.from_numpy(flat)[None])
    for layer, (inputs, outputs) in enumerate(pairwise(network.shape)):
        if layer:
            model.append(nn.SiLU())
        linear = nn.Linear(inputs, outputs, dtype=torch.float64)
        linear.weight.data = parameters[f"layer{layer}.weight"][0].T.contiguous()
        linear.bias.data = parameters[f"layer{layer}.bias"][0].clone()
        model.append(linear)
    return model


def _layer(network: KanShape, flat: Array, layer: int) -> tuple[Tensor, Tensor]:
    """Coefficients [I, C, O] and base weights [I, O] of one layer."""
    parameters = of_layer(families.unflatten(network, torch.from_numpy(flat)[None]), layer)
    return parameters["coef"][0], parameters["base"][0]


def _of_module(model: nn.Module, x: Array, y: Array) -> Implementation:
    return _with_torch(model, [one for one in model.parameters() if one.requires_grad], x, y)


def _with_torch(
    forward: Callable[[Tensor], Tensor], parameters: Sequence[Tensor], x: Array, y: Array
) -> Implementation:
    """Mean squared error and autograd, as a training loop has it."""
    x_NI, y_NO = torch.from_numpy(x), torch.from_numpy(y)
    for one in parameters:
        one.requires_grad_()

    def evaluate() -> float:
        for one in parameters:
            one.grad = None
        loss = (forward(x_NI) - y_NO).square().mean()
        loss.backward()
        return loss.item()

    return Implementation(evaluate, sum(one.numel() for one in parameters))


# --------------------------------------------------------------------------------------------------
# everybody
MAKE_KAN = {FUSED: fused, TORCH: batched, PYKAN: pykan, DENSE: dense, INKAN: inkan, RBF: radial}
MAKE_MLP = {MLP_TORCH: mlp, MLP_FUSED: fused}


def of_kan(network: KanShape, flat: Array, x: Array, y: Array) -> dict[str, Implementation]:
    """Everybody's evaluation of this KAN, or of what stands in its place."""
    return {name: make(network, flat, x, y) for name, make in MAKE_KAN.items()}


def of_mlp(network: MlpShape, flat: Array, x: Array, y: Array) -> dict[str, Implementation]:
    """Everybody's evaluation of this MLP."""
    return {name: make(network, flat, x, y) for name, make in MAKE_MLP.items()}


def initial(network: KanShape | MlpShape, seed: int = 0) -> Array:
    """Parameters [P] as our engines begin with."""
    return families.initialise(network, [np.random.default_rng(seed)], 1.0, torch.float64, "cpu")[
        0
    ].numpy()


def mlp_beside(network: KanShape, hidden_layers: int) -> MlpShape:
    """The MLP of equal inputs, outputs and, as near as a width allows, parameters."""
    goal = families.parameter_count(network)
    inputs, outputs = network.shape[0], network.shape[-1]
    candidates = (
        MlpShape(shape=(inputs, *[width] * hidden_layers, outputs)) for width in range(1, 2000)
    )
    return min(candidates, key=lambda one: abs(families.parameter_count(one) - goal))
