"""Fig. 3.1: the errors of KANs and MLPs on five functions, against parameters."""

from functools import partial

from harness.paper.replay.content import ARMS, Replay
from harness.paper.replay.curves import curves

REPLAY = Replay(
    place="Fig. 3.1",
    title="Toy functions",
    published=("toy_scaling",),
    kind=partial(curves, panels=("task",), x="params.paper"),
    arms=ARMS["fig3_1_toy_scaling"],
)
