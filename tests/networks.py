"""Networks of every kind, for all tests, at shapes from one edge to layers of 32 nodes; all their
parameters train.
"""

from itertools import product

import numpy as np
import torch

from harness import families
from harness.families.kan import evaluate_locally
from harness.families.layout import of_layer
from harness.families.spline import active_bases

SHAPES = ((1, 1), (2, 5, 1), (3, 4, 4, 2), (16, 32, 8))
GRIDS_AND_ORDERS = ((3, 1), (3, 2), (5, 3), (20, 3), (3, 5), (20, 5))
SETTINGS = {
    families.MlpShape: [
        *({"activation": name} for name in ("relu", "silu", "tanh", "gelu", "prelu")),
        {"activation": "sine", "omega_0": 6.0},
        {"activation": "sine", "omega_0": 6.0, "features": 4, "features_sigma": 0.3},
        {"activation": "tanh", "features": 1, "features_sigma": 0.3},
    ],
    # Every grid and order with all parts, and every choice of parts.
    families.KanShape: [
        *(
            {"grid": grid, "order": order, "scales": True, "bias": True}
            for grid, order in GRIDS_AND_ORDERS
        ),
        *(
            {"grid": 4, "base": base, "scales": scales, "bias": bias}
            for base, scales, bias in product((True, False), repeat=3)
        ),
    ],
    families.SplineMlpShape: [
        *(
            {"grid": grid, "order": order, "place": place, "noise": 4.0}
            for (grid, order), place in product(GRIDS_AND_ORDERS, ("after", "before"))
        ),
        *({"grid": 4, "place": "before", "rank": rank} for rank in (2, 3)),
    ],
    families.GatedMlpShape: [{"activation": name} for name in ("silu", "gelu", "relu")],
    families.RbfKanShape: [
        {"grid": grid, "norm": norm} for grid, norm in product((1, 5, 8), (True, False))
    ],
    families.ChebyshevKanShape: [{"degree": degree} for degree in (1, 2, 4)],
    families.FourierKanShape: [{"harmonics": harmonics} for harmonics in (1, 4)],
    families.GroupedChebyshevShape: [
        {"degree": degree, "groups": groups} for degree, groups in ((1, 1), (5, 8), (5, 1))
    ],
    families.RationalKanShape: [
        {"numerator": m, "denominator": n, "groups": groups}
        for m, n, groups in ((5, 4, 8), (5, 4, 1), (3, 2, 2), (1, 1, 1))
    ],
}


def networks(*families, shapes=SHAPES):
    """Networks of these families, or of all, with every setting at each shape."""
    found = []
    for family, shape in product(families or SETTINGS, shapes):
        found += [family(shape=shape, **settings) for settings in SETTINGS[family]]
    return found


def begun(network, lanes=2, gain=1.0, seed=0):
    """Parameters and knots with which lanes begin; a lane's are the same whatever the number of
    lanes.
    """
    generators = [np.random.default_rng([seed, lane]) for lane in range(lanes)]
    flat = families.initialise(network, generators, gain, torch.float64, "cpu")
    return flat, network.draw_knots(generators, torch.float64, "cpu")


def evaluated_by(evaluate, network):
    """The same network with another evaluator; None leaves it its own."""
    kind = type(network)
    return (
        network
        if evaluate is None
        else type(kind.__name__, (kind,), {"evaluate": evaluate})(**dict(network))
    )


def local(network, parameters, knots, h_RIN):
    """The evaluator of a KAN that gathers coefficients, whatever the shape: what `executed` counts.
    [R, O, N].
    """
    for layer, knots_RIT in enumerate(knots):
        active = active_bases(knots_RIT, h_RIN, network.order)
        h_RIN = evaluate_locally(of_layer(parameters, layer), active, h_RIN)
    return h_RIN
