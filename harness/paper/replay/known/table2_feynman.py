"""Table 2 and Fig. D.1: the best KANs and MLPs on 27 formulas of Feynman's lectures."""

from functools import partial

from harness.paper.replay.bests import ANY_KAN, KANS, MLPS, NARROW, PRUNED, WIDE, PublishedNumber, bests
from harness.paper.replay.content import replay_named

TABLE, FIGURE = "feynman", "tables_against_figures"
NUMBERS = (
    PublishedNumber("human KAN", TABLE, "human_test_rmse", ("human",), "human_shape"),
    PublishedNumber(PRUNED, TABLE, "pruned_test_rmse", ("pruned",), "best_shape"),
    PublishedNumber("unpruned KAN", TABLE, "unpruned_test_rmse", ("unpruned",)),
    PublishedNumber(ANY_KAN, FIGURE, "kan_test_rmse", KANS),
    PublishedNumber(NARROW, TABLE, "mlp_test_rmse", ("mlp",), width=5),
    PublishedNumber("MLP of width 5, any activation", FIGURE, "mlp_width5", MLPS, width=5),
    PublishedNumber(WIDE, FIGURE, "mlp_any_width", MLPS),
)
# Fig. D.1 counts every formula as if it had two inputs (E6d).
REPLAY = replay_named("table2_feynman", partial(bests, numbers=NUMBERS, inputs=2))
