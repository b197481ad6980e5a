"""What trains a pack of runs: an engine, training in phases, or training with pruning. Each of them
is a module.

    pack = trainer.prepare(runs, device)
    state = trainer.begin(pack)
    while not ended(pack, state):
        state = trainer.advance(pack, state, evaluations=100)     # frozen in, frozen out: a state
        can be stored
    outcomes = trainer.finish(pack, state)

`harness.train.train_pack` goes by this page alone. Phases and pruning train by an engine.

A pack is what does not change while it trains: its `runs`, of one `planning.plan.computation`, in
the order of their outcomes, and the `stages` that each of them goes through. A state is what does
change between two evaluations, and is a checkpoint as it is (see `harness.train.checkpoint`): the
number of the `stage` that trains, how many of its evaluations are `done` in every lane, and the
`lanes`, starts that train now.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from harness.spec.run import RunSpec
from harness.tasks import Splits
from harness.train import fused_engine, torch_engine
from harness.train.lanes import Trained
from harness.train.outcome import Outcome


class Trainer(Protocol):
    """What `train_pack` asks for."""

    def prepare(self, runs: Sequence[RunSpec], device: str) -> Any:
        """The pack of `runs`, with their samples."""

    def begin(self, pack: Any) -> Any:
        """The state before the first evaluation: networks initialised from each run's seed and
        start.
        """

    def fits(self, pack: Any, state: Any) -> bool:
        """Whether a state that comes from a file can be one of this pack."""

    def advance(self, pack: Any, state: Any, evaluations: int) -> Any:
        """At most `evaluations` more in every lane; less at the end of a stage or when no lane
        moves any more.
        """

    def finish(self, pack: Any, state: Any) -> list[Outcome]:
        """The outcome of every run of a pack whose stages are behind, in the order of the pack."""

    def trained(self, pack: Any, state: Any) -> Sequence[Trained | None]:
        """Where training left every run of a pack whose stages are behind; None of one that
        diverged on its way.
        """


class Engine(Trainer, Protocol):
    """What phases and pruning ask for besides; the rest of a training is that of
    `harness.train.course`.
    """

    def prepare(
        self, runs: Sequence[RunSpec], device: str, samples: Sequence[Splits] | None = None
    ) -> Any:
        """The pack of `runs`; draws what `samples` has not."""


ENGINES: dict[str, Engine] = {"fused": fused_engine, "torch": torch_engine}
