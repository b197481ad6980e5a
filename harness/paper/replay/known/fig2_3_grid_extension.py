"""Fig. 2.3: the errors of two KANs along their grids."""

from functools import partial

from harness.paper.replay.content import replay_named
from harness.paper.replay.curves import curves

REPLAY = replay_named("fig2_3_grid_extension", partial(curves, panels=("task", "shape"), x="grid"))
