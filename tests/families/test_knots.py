"""Moving knots and raising G keep the function."""

from itertools import product

import numpy as np
import pytest
import torch
from networks import begun

from harness.base.errors import HarnessError
from harness.families import KanShape, SplineMlpShape, extend_grid, forward, update_knots
from harness.families.layout import unflatten
from harness.families.spline import design_matrix, extend_knots, knots_from_samples, move_spline

ORDERS = [1, 2, 3, 4, 5]
SOLVERS = ["gelsd", "qr"]
LANES = 2
solvers = pytest.mark.parametrize("solver", SOLVERS)


def start(network):
    """Parameters, knots and samples."""
    return *begun(network, LANES), torch.tensor(
        np.random.default_rng(0).uniform(-1, 1, (LANES, 300, network.shape[0]))
    )


def on_random_knots(network, seed=1):
    """Knots that are not uniform, one sequence an input and lane."""
    rng = np.random.default_rng(seed)
    steps = [
        torch.tensor(rng.uniform(0.2, 0.5, (LANES, inputs, network.grid + 1)))
        for inputs in network.shape[:-1]
    ]
    return [extend_knots(step.cumsum(-1) - 2, network.order) for step in steps]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("spacing", ["uniform", "random"])
@solvers
def test_extension_with_nested_knots_keeps_every_spline_on_its_domain(
    solver, spacing, factor, order
):
    network = KanShape(shape=(2, 3, 1), grid=5, order=order, scales=True, bias=True)
    flat, knots, _ = start(network)
    knots = on_random_knots(network) if spacing == "random" else knots
    finer, finer_flat, finer_knots = extend_grid(
        network, flat, knots, factor * network.grid, solver
    )
    assert finer == network.model_copy(update={"grid": factor * 5})
    old, new = unflatten(network, flat), unflatten(finer, finer_flat)
    for layer, (coarse, fine) in enumerate(zip(knots, finer_knots, strict=True)):
        low, high = coarse[..., order, None], coarse[..., -order - 1, None]
        assert torch.equal(fine[..., order:-order][..., ::factor], coarse[..., order:-order])
        x = low + (high - low) * torch.linspace(0, 1, 500, dtype=torch.float64)[:-1]
        before = design_matrix(coarse, x, order) @ old[f"layer{layer}.coef"]
        after = design_matrix(fine, x, order) @ new[f"layer{layer}.coef"]
        assert (after - before).abs().max() < 1e-12
        for name in ("base", "scale", "bias"):
            assert torch.equal(new[f"layer{layer}.{name}"], old[f"layer{layer}.{name}"])


def test_extension_that_does_not_nest_stays_close():
    network = KanShape(shape=(2, 1), grid=10, base=False)
    flat, knots, x = start(network)
    before = forward(network, flat, knots, x)
    after = forward(*extend_grid(network, flat, knots, 25), x)
    assert 1e-6 < (after - before).abs().max() < 0.2 * before.abs().max()


def test_extension_refuses_a_coarser_grid():
    network = KanShape(shape=(1, 1), grid=5)
    flat, knots, _ = start(network)
    with pytest.raises(HarnessError, match=r"grid=4.*grid=5"):
        extend_grid(network, flat, knots, 4)


@pytest.mark.parametrize("grid_eps", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("order", [1, 3])
@solvers
def test_update_reproduces_what_the_new_knots_can_represent(solver, order, grid_eps):
    """A spline that is one polynomial of degree k on its domain is kept by any move of the knots
    inside it.
    """
    network = KanShape(shape=(2, 1), grid=6, order=order, base=False)
    flat, knots, x = start(network)
    # x^k as a spline: its coefficients are fitted exactly on the old knots.
    x = 0.9 * x
    x_RIN = x.transpose(1, 2)
    design = design_matrix(knots[0], x_RIN, order)
    coef = torch.linalg.lstsq(design, (x_RIN**order)[..., None], driver="gelsd").solution
    flat = coef.flatten(1)
    before = forward(network, flat, knots, x)
    new_flat, new_knots = update_knots(
        network, flat, knots, x, grid_eps, 0.01 if grid_eps == 1 else 0.0, solver
    )
    # The largest sample is the end of a half-open domain, where fewer bases are whole; it is fitted
    # all the same.
    after = forward(network, new_flat, new_knots, x)
    assert not torch.equal(new_knots[0], knots[0])
    assert (after - before).abs().max() < 1e-11


def test_uniform_knots_reach_the_margin_beyond_the_samples():
    network = KanShape(shape=(2, 1), grid=6)
    flat, knots, x = start(network)
    _, (new,) = update_knots(network, flat, knots, x, 1.0, 0.25)
    assert torch.allclose(new[..., 3], x.amin(1) - 0.25, rtol=0, atol=1e-14)
    assert torch.allclose(new[..., -4], x.amax(1) + 0.25, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "network",
    [
        KanShape(shape=(2, 3, 1), grid=4),
        SplineMlpShape(shape=(2, 3, 1), grid=4),
        SplineMlpShape(shape=(2, 3, 1), grid=4, place="before"),
    ],
    ids=repr,
)
def test_a_diverged_lane_does_not_touch_its_neighbours(network):
    flat, knots, x = start(network)
    broken = flat.clone()
    broken[1] = torch.nan
    for move in (
        *(
            lambda flat, solver=each: update_knots(network, flat, knots, x, 0.5, 0.0, solver)[0]
            for each in SOLVERS
        ),
        *(
            lambda flat, solver=each: extend_grid(network, flat, knots, 9, solver)[1]
            for each in SOLVERS
        ),
        lambda flat: forward(network, flat, knots, x),
    ):
        assert torch.equal(move(broken)[0], move(flat)[0])
        assert move(broken)[1].isnan().any()


def some_samples(kind, rng, samples):
    """Where splines on about [-1, 1] may be given their samples, [2, 3, N]: many ways to determine
    a few of them.
    """
    match kind:
        case "spread":
            return rng.uniform(-1, 1, (LANES, 3, samples))
        case "clustered":
            return 0.2 + 0.05 * rng.normal(size=(LANES, 3, samples))
        case "few values":
            return rng.choice([-1.0, -0.4, 0.1, 0.7], (LANES, 3, samples))
        case "mostly one":
            return np.where(
                rng.uniform(size=(LANES, 3, samples)) < 0.9,
                -1.0,
                rng.uniform(-1, 1, (LANES, 3, samples)),
            )
    return np.full((LANES, 3, samples), 0.3)


@pytest.mark.parametrize("order", ORDERS)
def test_splines_moved_together_are_those_that_numpy_fits_one_by_one(order):
    """Of least norm, of any samples; where a singular value is at the threshold of the rank,
    roundings decide.
    """
    ranks, at_threshold = {True: 0, False: 0}, 0
    kinds = ("spread", "clustered", "few values", "mostly one", "constant")
    for seed, (kind, samples, grid) in enumerate(product(kinds, (5, 40, 333), (3, 20))):
        outputs = (1, 5)[seed // 2 % 2]
        rng = np.random.default_rng([order, seed])
        x = torch.tensor(some_samples(kind, rng, samples))
        old = on_random_knots(KanShape(shape=(3, 1), grid=grid, order=order), seed)[0]
        new = knots_from_samples(x, grid, order, 0.3, 0.01)
        coef = torch.tensor(rng.normal(size=(LANES, 3, grid + order, outputs)))
        moved = move_spline(coef, old, new, x, order, "qr").numpy()
        values = (design_matrix(old, x, order) @ coef).numpy()
        for entry in np.ndindex(LANES, 3):
            design = design_matrix(new, x, order)[entry].numpy()
            singular = np.linalg.svd(design, compute_uv=False)
            least = np.finfo(float).eps * max(design.shape) * singular[0]
            rank = np.linalg.matrix_rank(design)
            if ((least / 4 < singular) & (singular < 30 * least)).any():
                at_threshold += 1
                continue
            ranks[bool(rank == design.shape[1])] += 1
            expected = np.linalg.lstsq(design, values[entry], rcond=None)[0]
            condition = singular[0] / singular[rank - 1] if rank else 1.0
            tolerance = (
                max(1e-12, 1e-15 * condition**2) if condition < 1e5 else 1e-15 * condition**2
            )
            case = (kind, samples, grid)
            assert (
                np.abs(moved[entry] - expected).max() <= 10 * tolerance * np.abs(expected).max()
            ), case
    assert min(ranks.values()) > 30
    assert at_threshold < 0.1 * sum(ranks.values())
