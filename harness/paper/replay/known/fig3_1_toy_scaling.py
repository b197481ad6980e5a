"""Fig. 3.1: the errors of KANs and MLPs on five functions, against parameters."""

from functools import partial

from harness.paper.replay.content import replay_named
from harness.paper.replay.curves import curves

REPLAY = replay_named("fig3_1_toy_scaling", partial(curves, panels=("task",), x="params.paper"))
