"""The replays that there are, each by the name of its experiment in experiments/."""

from functools import partial

from harness.paper.replay.ablation import ablation
from harness.paper.replay.bests import (
    ANY_KAN,
    KANS,
    MLPS,
    NARROW,
    PRUNED,
    WIDE,
    PublishedNumber,
    bests,
)
from harness.paper.replay.content import TEXTS, Kind, Replay
from harness.paper.replay.curves import curves
from harness.paper.replay.forgetting import forgetting
from harness.paper.replay.poisson import poisson

SPECIAL, FEYNMAN, FIGURE = "special_functions", "feynman", "tables_against_figures"
TABLE_1 = (
    PublishedNumber(
        "smallest pruned KAN",
        SPECIAL,
        "minimal_test_rmse",
        ("pruned",),
        "minimal_shape",
        smallest=True,
    ),
    PublishedNumber(PRUNED, SPECIAL, "best_test_rmse", ("pruned",), "best_shape"),
    PublishedNumber(ANY_KAN, FIGURE, "kan_frontier", KANS),
    PublishedNumber(NARROW, SPECIAL, "mlp_test_rmse", ("mlp",), width=5),
    PublishedNumber(WIDE, FIGURE, "mlp_any_width", ("mlp",)),
)
TABLE_2 = (
    PublishedNumber("human KAN", FEYNMAN, "human_test_rmse", ("human",), "human_shape"),
    PublishedNumber(PRUNED, FEYNMAN, "pruned_test_rmse", ("pruned",), "best_shape"),
    PublishedNumber("unpruned KAN", FEYNMAN, "unpruned_test_rmse", ("unpruned",)),
    PublishedNumber(ANY_KAN, FIGURE, "kan_test_rmse", KANS),
    PublishedNumber(NARROW, FEYNMAN, "mlp_test_rmse", ("mlp",), width=5),
    PublishedNumber("MLP of width 5, any activation", FIGURE, "mlp_width5", MLPS, width=5),
    PublishedNumber(WIDE, FIGURE, "mlp_any_width", MLPS),
)
KINDS: dict[str, Kind] = {
    "app_c_ablation": ablation,
    "fig2_3_grid_extension": partial(curves, panels=("task", "shape"), x="grid"),
    "fig3_1_toy_scaling": partial(curves, panels=("task",), x="params.paper"),
    "fig3_3_poisson": poisson,
    "fig3_4_forgetting": forgetting,
    "table1_special_functions": partial(bests, numbers=TABLE_1, inputs=None),
    # Fig. D.1 counts every formula as if it had two inputs (E6d).
    "table2_feynman": partial(bests, numbers=TABLE_2, inputs=2),
}
REPLAYS = {name: Replay(kind=kind, **TEXTS["replays"][name]) for name, kind in KINDS.items()}
# Those whose figure shows arms that are added to their experiment.
EXTENDED = [name for name, kind in KINDS.items() if getattr(kind, "func", None) is curves]
