"""Table 1 and Fig. 3.2: the best KANs and MLPs on 15 special functions."""

from functools import partial

from harness.paper.replay.bests import ANY_KAN, KANS, NARROW, PRUNED, WIDE, PublishedNumber, bests
from harness.paper.replay.content import replay_named

TABLE, FIGURE = "special_functions", "tables_against_figures"
NUMBERS = (
    PublishedNumber("smallest pruned KAN", TABLE, "minimal_test_rmse", ("pruned",), "minimal_shape", smallest=True),
    PublishedNumber(PRUNED, TABLE, "best_test_rmse", ("pruned",), "best_shape"),
    PublishedNumber(ANY_KAN, FIGURE, "kan_frontier", KANS),
    PublishedNumber(NARROW, TABLE, "mlp_test_rmse", ("mlp",), width=5),
    PublishedNumber(WIDE, FIGURE, "mlp_any_width", ("mlp",)),
)
REPLAY = replay_named("table1_special_functions", partial(bests, numbers=NUMBERS, inputs=None))
