"""What trains a pack of runs: an engine, training in phases, or training with pruning. Each of them is a module.

    pack = trainer.prepare(runs, device)
    state = trainer.begin(pack)
    while not trainer.ended(pack, state):
        state = trainer.advance(pack, state, evaluations=100)     # frozen in, frozen out: a state can be stored
    outcomes = trainer.finish(pack, state)

`harness.train.train_pack` goes by this page alone. Phases and pruning train by an engine, of which they ask more.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from harness.spec import RunSpec, Stage
from harness.tasks import Splits
from harness.train import fused_engine, torch_engine
from harness.train.fused_engine import FusedPack, FusedState
from harness.train.lanes import Trained
from harness.train.outcome import Outcome
from harness.train.torch_engine import TorchPack, TorchState


class TrainingPack(Protocol):
    """What does not change while a pack trains; its runs are of one `planning.packs.computation`."""

    @property
    def runs(self) -> tuple[RunSpec, ...]:
        """In the order of their outcomes."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What each run goes through."""


class TrainingState(Protocol):
    """What does change, between two evaluations: a checkpoint as it is (see `harness.train.checkpoint`)."""

    @property
    def stage(self) -> int:
        """Stages behind."""

    @property
    def done(self) -> int:
        """Evaluations of the stage that trains, in every lane."""

    @property
    def lanes(self) -> tuple[Any, ...]:
        """Starts that train now."""


PackType = TypeVar("PackType", bound=TrainingPack)
StateType = TypeVar("StateType", bound=TrainingState)


class Trainer(Protocol[PackType, StateType]):
    """What `train_pack` asks for, with the types of its packs and states."""

    def prepare(self, runs: Sequence[RunSpec], device: str) -> PackType:
        """The pack of `runs`, with their samples."""

    def begin(self, pack: PackType) -> StateType:
        """The state before the first evaluation: networks initialised from each run's seed and start."""

    def ended(self, pack: PackType, state: StateType) -> bool:
        """Whether all stages are behind."""

    def fits(self, pack: PackType, state: Any) -> bool:
        """Whether a state that comes from a file can be one of this pack."""

    def advance(self, pack: PackType, state: StateType, evaluations: int) -> StateType:
        """At most `evaluations` more in every lane; less at the end of a stage or when no lane moves any more."""

    def finish(self, pack: PackType, state: StateType) -> list[Outcome]:
        """The outcome of every run of a pack whose stages are behind, in the order of the pack."""

    def trained(self, pack: PackType, state: StateType) -> Sequence[Trained | None]:
        """Where training left every run of a pack whose stages are behind; None of one that diverged on its way."""


class TrainingEngine(Trainer[PackType, StateType], Protocol):
    """What phases and pruning ask for besides: a part of a training, on samples and from networks that they give."""

    def prepare(self, runs: Sequence[RunSpec], device: str, samples: Sequence[Splits] | None = None) -> PackType:
        """The pack of `runs`; draws what `samples` has not."""

    def narrowed(self, pack: PackType, inputs: Sequence[int]) -> PackType:
        """The pack whose networks see only these of the task's variables."""

    def begin(self, pack: PackType, trained: Sequence[Trained] | None = None) -> StateType:
        """Or where another training left each run, whose network must be that of the first stage, with one start."""

    def trained(self, pack: PackType, state: StateType) -> list[Trained]:
        """Where training left every run of a pack whose stages are behind, in the order of the pack."""


TORCH: TrainingEngine[TorchPack, TorchState] = torch_engine
FUSED: TrainingEngine[FusedPack, FusedState] = fused_engine
ENGINES: dict[str, TrainingEngine[Any, Any]] = {"fused": FUSED, "torch": TORCH}
EngineState = TorchState | FusedState
