"""Fig. 2.3: the errors of two KANs along their grids."""

from functools import partial

from harness.paper.replay.content import ARMS, Replay
from harness.paper.replay.curves import curves

REPLAY = Replay(
    place="Fig. 2.3",
    title="Grid extension",
    published=("grid_extension",),
    kind=partial(curves, panels=("task", "shape"), x="grid"),
    arms=ARMS["fig2_3_grid_extension"],
)
