"""The replays that there are: one for every experiment file that replays a figure or a table."""

from functools import partial

from harness.base.errors import HarnessError, did_you_mean
from harness.paper.replay.ablation import ablation
from harness.paper.replay.bests import TABLE_1, TABLE_2, bests
from harness.paper.replay.content import Replay
from harness.paper.replay.curves import curves
from harness.paper.replay.forgetting import forgetting
from harness.paper.replay.poisson import poisson

SILENT_ON_KNOTS = (
    "Where knots go. Both choices are run: uniform (grid_eps = 1, pykan's default when the paper appeared) and at "
    "percentiles of the activations (grid_eps = 0.02, its default later)."
)
SILENT_ON_SEEDS = (
    "How many seeds, and which is shown. Ours are medians over seeds with the range from the best to the worst; the "
    "best is beside them, as the paper's tables take the best."
)
SILENT_ON_WEIGHTS = (
    "The initial weights, which pykan draws otherwise than the paper says (E17). Ours follow the paper: w_b by "
    "Xavier's rule, w_s = 1, coefficients from N(0, 0.1²)."
)
SILENT_ON_STARTS = (
    "Whether a training that begins badly is begun again. Ours takes the best of eight starts of 240 evaluations each, "
    "which are counted: without, a KAN [2,1,1] ends in a bad minimum with seven of eight seeds."
)

SILENT_ON_UNIFORM_KNOTS = (
    "Where knots go: uniformly here (grid_eps = 1, pykan's default when the paper appeared). At percentiles instead, "
    "errors at G = 20 were within 2x of that in four of five trials."
)
SILENT_ON_WORK = (
    "How long MLPs are trained: for as many evaluations here as a KAN's whole course up to its finest grid. A KAN of a "
    "coarser grid has had fewer."
)
SILENT_ON_BEST = (
    "Which errors the best is picked by. By test errors, as it seems; ours too, where it says best, and by validation "
    "errors where it says median."
)

# By the name of the experiment's file.
REPLAYS = {
    "fig2_3_grid_extension": Replay(
        place="Fig. 2.3",
        title="Grid extension",
        published=("grid_extension",),
        kind=partial(curves, panels=("task", "shape"), x="grid"),
        silent=(SILENT_ON_KNOTS, SILENT_ON_SEEDS, SILENT_ON_WEIGHTS, SILENT_ON_STARTS),
    ),
    "fig3_1_toy_scaling": Replay(
        place="Fig. 3.1",
        title="Toy functions",
        published=("toy_scaling",),
        kind=partial(curves, panels=("task",), x="params.paper"),
        silent=(
            SILENT_ON_KNOTS,
            SILENT_ON_SEEDS,
            SILENT_ON_WEIGHTS,
            SILENT_ON_STARTS,
            "The MLPs' activation (SiLU here, as Table 2's column turned out to be) and their initial weights.",
            "The number of training points: 1,000, as in sec. 2.4, and 3,000 for the four-dimensional function, as in "
            "pykan's tutorial.",
        ),
    ),
    "fig3_3_poisson": Replay(
        place="Fig. 3.3",
        title="The Poisson equation",
        published=("pde_scaling", "pde_dynamics"),
        kind=poisson,
        tolerance=4.0,  # of squared errors
        silent=(
            SILENT_ON_SEEDS,
            SILENT_ON_WEIGHTS,
            "Whether squared errors are means over the square or integrals, four times as large. Ours are means: u = 0 "
            "has 0.19 in L2 and 5.2 in H1 then, all three networks of panels 1 and 2 are near 0.10 and 4.1 after one "
            "step, and so are ours. Were they integrals, every ratio here would be four times what it is.",
            "How the norms are computed (100 Gauss-Legendre nodes a variable here), and whether H1 is the whole norm "
            "(here) or that of the gradient alone, which is the same to 5 %.",
            "The MLPs' activation: both SiLU and tanh are run.",
            "The optimiser of sec. 3.4: L-BFGS as elsewhere, a step being up to 20 iterations, 22 to 24 evaluations.",
            "Where knots go, and when: uniform between the ends of the activations, every 5 steps.",
            "Whether points are drawn or on a mesh (“uniform sampling”). Ours are drawn once, uniformly.",
        ),
    ),
    "fig3_4_forgetting": Replay(
        place="Fig. 3.4",
        title="Forgetting",
        published=("protocol",),
        kind=partial(
            forgetting,
            recipes=("paper", "later"),
            drawn=("paper", "later", "base_trained", "scale_trained", "hidden_5_coarse", "mlp_silu", "mlp_tanh"),
        ),
        silent=(
            "Every number: the paper shows a picture. The formula, the data and the training error after each phase "
            "are those of pykan's tutorial. The recipe “later” is that of its last version, whose output is not known: "
            "the one error is compared with both.",
            "The initial coefficients, which pykan draws smaller (uniformly within 0.1/2G, E17). Ours are drawn as the "
            "paper says, from N(0, 0.1²). It makes no difference to the error: that is the least which a spline of "
            "these knots has on these points, by least squares.",
            "The MLP: its shape, activation, optimiser and steps. Here are two hidden layers of 16, SiLU and tanh, and "
            "one layer of as many parameters as the KAN, all by the KAN's optimiser; and one by Adam.",
            "How much is forgotten. Said to be kept is what has at most twice the error in the end.",
            "How many seeds. They change the initial weights only: the data are evenly spaced.",
        ),
    ),
    "app_c_ablation": Replay(
        place="App. C",
        title="Sparse training, knob by knob",
        published=("ablation",),
        kind=ablation,
        silent=(
            "How long the networks train, by which optimiser, and what the seed decides: here 200 L-BFGS steps with "
            "the penalty; a seed draws the weights and the data.",
            "From which size on an edge counts as there: the paper shows pictures. Ours counts edges whose mean "
            "absolute value over the training points is above 0.01, its threshold for nodes.",
            "What the norm of an edge is. Both choices are run: its mean absolute value, as eq. 2.17 says, and that "
            "over the range of the edge's knots, as pykan's code had it when the paper appeared. Logarithms are "
            "natural; those of the code are of base 2.",
            "How the knobs are combined: here each is moved alone from the standard setting, with four seeds each. "
            "Order 6, which the paper has too, is beyond this project's splines.",
            SILENT_ON_WEIGHTS,
        ),
    ),
    "table1_special_functions": Replay(
        place="Table 1 and Fig. 3.2",
        title="Special functions",
        published=("special_functions", "tables_against_figures", "frontiers"),
        kind=partial(bests, numbers=TABLE_1, inputs=None),
        silent=(
            "The box that x and y come from, which moves errors by up to a hundred times. Here [-1, 1]² where a "
            "function is finite on it; [0.1, 1]² for the Bessel functions; [0, 1]² for associated Legendre functions, "
            "which are infinite at y = -1; and y in [0, 1] for ellipj, whose parameter it is.",
            "Which of ellipj's functions is meant (sn here), and which part of spherical harmonics (the real one).",
            "The MLPs' activation (SiLU here, as Table 2's column turned out to be) and their initial weights.",
            SILENT_ON_WORK,
            SILENT_ON_BEST,
            SILENT_ON_UNIFORM_KNOTS,
            SILENT_ON_SEEDS,
            SILENT_ON_WEIGHTS,
        ),
    ),
    "table2_feynman": Replay(
        place="Table 2 and Fig. D.1",
        title="Feynman formulas",
        published=("feynman", "tables_against_figures", "frontiers"),
        kind=partial(bests, numbers=TABLE_2, inputs=2),
        silent=(
            "The boxes, but for that of I.16.6. Ours are those that pykan's feynman.py, which came later, has for the "
            "variables of the formulas with dimensions: [0, 2π] for angles, [0.5, 2] for divisors, [0, 1] or [-1, 1] "
            "for factors, and narrower ones beside poles and roots. The experiment's file has all of them.",
            SILENT_ON_WORK,
            SILENT_ON_BEST,
            SILENT_ON_UNIFORM_KNOTS,
            SILENT_ON_SEEDS,
            SILENT_ON_WEIGHTS,
        ),
    ),
}


def full_name(name: str) -> str:
    """The replay of that name, or the one that begins so; a HarnessError names the nearest one."""
    found = [one for one in REPLAYS if one.startswith(name)]
    if len(found) != 1:
        raise HarnessError(f"{name}: no such replay; {did_you_mean(name, REPLAYS)}")
    return found[0]
