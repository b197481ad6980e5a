"""What is measured of the engines, in a process of its own for each checkout (see
`benchmarks.checkouts`).

A measure makes `Work`: something to do again and again. It uses of the project what the older
checkout has as well.

Legend: R lanes, N points, I inputs, O outputs, P parameters.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

import harness
from benchmarks import plain
from benchmarks.checkouts import ROOT, SLOW_SECONDS
from benchmarks.clock import ENOUGH_SECONDS, Contestant, timed
from harness import families
from harness.base.errors import HarnessError
from harness.families import Network
from harness.families.module import fingerprint
from harness.optimisers import LaneObjective
from harness.planning.candidates import engine_of
from harness.spec.manifest import Manifest
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.study.folders import StudyFile
from harness.study.plans import plan_of
from harness.tasks import Samples, Splits, draw, resolve, scaled
from harness.tasks.loss import SQUARES, LanePoints
from harness.train import ENGINES

# An evaluation so late that no point of the learning curve is near, and how many there are in all.
LATE, EVALUATIONS = 1_100_000, 2_000_000
GRID_EPS, MARGIN = 0.05, 0.05  # of knots that move
WARM_UPS = 2


class Work(NamedTuple):
    """`run` does so many evaluations in every one of its lanes. `trained_by` is the code that does
    them.
    """

    run: Callable[[], object]
    evaluations: int = 1
    lanes: int = 1
    trained_by: str = ""


def evaluator(network: dict, dtype: str, lanes: int, points: int) -> Work:
    """Loss and gradient of random points, by the torch engine."""
    made, flat_RP, knots, x_RNI, y_RNO = _begun(network, dtype, lanes, points)
    samples = LanePoints(x_RNI, y_RNO)
    return Work(
        lambda: SQUARES.loss_and_gradient(made, flat_RP, knots, samples),
        lanes=lanes,
        trained_by="torch",
    )


def optimiser(
    settings: dict, network: dict, lanes: int, points: int, evaluations: int, alone: bool = True
) -> Work:
    """A training by the torch engine's optimiser from its start; `alone`, it is told again what it
    was told once.
    """
    made, flat_RP, knots, x_RNI, y_RNO = _begun(network, "float64", lanes, points)
    samples = LanePoints(x_RNI, y_RNO)
    own = Recipe(optimizer=settings, max_evaluations=evaluations).optimizer
    objective = LaneObjective(
        lambda position_RP: SQUARES.loss_and_gradient(made, position_RP, knots, samples),
        made,
        knots,
        x_RNI,
        y_RNO,
    )

    start = own.start(flat_RP, total_steps=evaluations)

    def train() -> None:
        state = start
        for _ in range(evaluations):
            state = own.evaluate(state, objective)

    told: list[tuple] = []
    if alone:
        with _heard(type(own), told):
            train()

    @torch.no_grad()
    def tell_again() -> None:
        state = start
        for each in told:
            own.ask(state)
            state = own.tell(state, *each)

    return Work(tell_again if alone else train, evaluations, lanes, "torch")


def training(experiment: str, evaluations: int, classes: int | None = None) -> Work:
    """Evaluations with the optimiser's steps of the runs of an experiment, which are one pack, by
    the plan's engine.

    With `classes`, so many are learnt from random points in place of the task's values.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "measured.yaml"
        file.write_text(experiment, encoding="utf-8")
        manifest = plan_of(StudyFile(file))
    runs, samples = [planned.run for planned in manifest.runs], None
    if classes:
        runs = [_of_classes(manifest, run, classes) for run in runs]
        samples = [_random_classes(run, classes) for run in runs]
    engine = ENGINES[runs[0].engine]
    pack = engine.prepare(runs, "cpu", samples)
    state = replace(engine.begin(pack), done=LATE)

    def go_on() -> None:
        nonlocal state
        state = engine.advance(pack, state, evaluations)

    return Work(go_on, evaluations, len(runs), runs[0].engine)


def plain_torch(module: str, sizes: dict, task: str, batch: int, lanes: int, dtype: str) -> Work:
    """Steps of plain PyTorch on the classes of a task: an ensemble of so many lanes, or a loop over
    one.
    """
    run_task = resolve(Task(target=task))
    splits = draw(run_task, 0)
    x_NI = torch.from_numpy(scaled(run_task, splits.train.x)).to(getattr(torch, dtype))
    classes_N = torch.from_numpy(splits.train.y[:, 0]).long()
    make = partial(getattr(plain, module), run_task.inputs, run_task.outputs, **sizes)
    if lanes == 1:
        return Work(plain.one_network(make, x_NI, classes_N, batch).step, trained_by="plain torch")
    return Work(
        plain.ensemble(make, x_NI, classes_N, batch, lanes).step,
        lanes=lanes,
        trained_by="plain torch",
    )


def knot_update(network: dict, task: str) -> Work:
    """Knots moved by the torch engine to the activations at all training points of a task, two
    lanes together.
    """
    made, flat_RP, knots = _network(network, torch.float64, lanes=2)
    run_task = resolve(Task(target=task))
    x_NI = torch.from_numpy(scaled(run_task, draw(run_task, 0).train.x))
    x_RNI = x_NI.expand(2, -1, -1).clone()
    # An earlier commit may know one solver only.
    together = {"solver": "qr"} if "solver" in signature(families.update_knots).parameters else {}
    move = partial(families.update_knots, made, flat_RP, knots, x_RNI, GRID_EPS, MARGIN, **together)
    return Work(move, lanes=2, trained_by="torch")


MEASURES: Mapping[str, Callable[..., Work]] = {
    measure.__name__: measure
    for measure in (evaluator, optimiser, training, plain_torch, knot_update)
}


# --------------------------------------------------------------------------------------------------
# what is answered
class Measured:
    """Answers what `benchmarks.checkouts` asks; each method is a question, of a piece of work by
    its row's name.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.made: dict[str, tuple[Contestant, Work, int]] = {}

    def folder(self) -> str:
        """Where `harness` is imported from."""
        return str(Path(harness.__file__).parents[1])

    def make(self, row: str, measure: str, arguments: dict) -> dict:
        """Make a piece of work and warm it up; what is known of it then, or why the project refuses
        it.
        """
        try:
            work = MEASURES[measure](**arguments)
        except HarnessError as error:
            return {"refused": str(error)}
        contestant = Contestant(row, lambda: (work.run(), work.evaluations)[1])
        for _ in range(WARM_UPS):
            cpu, _, units = timed(contestant, 1)
            if cpu * units > SLOW_SECONDS:
                break
        self.made[row] = contestant, work, max(1, round(ENOUGH_SECONDS / max(cpu * units, 1e-6)))
        return {"seconds": cpu * units, "lanes": work.lanes, "trained_by": work.trained_by}

    def time(self, row: str) -> tuple[float, float, int]:
        """CPU and wall seconds an evaluation of all lanes, and how many there were."""
        contestant, _, repeats = self.made[row]
        return timed(contestant, repeats)

    def peak(self, row: str) -> int:
        """The most bytes that torch had allocated at once while it did the work, above what was
        there, a lane.
        """
        _, work, _ = self.made[row]
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            work.run()
        events = [
            one for one in profiler.profiler.kineto_results.events() if one.name() == "[memory]"
        ]
        in_time = sorted((event.start_ns(), event.nbytes()) for event in events)
        allocated = np.cumsum([size for _, size in in_time])
        return int(allocated.max(initial=0)) // work.lanes

    def operations(self, row: str) -> dict[str, float]:
        """What torch dispatches for an evaluation of all lanes, views left out; megabytes are those
        of a lane.
        """
        _, work, _ = self.made[row]
        done = _todays_operations()(work.run)
        counts = {
            "dispatched": len(done),
            "launches": sum(one.launches for one in done),
            "waits": sum(one.waits for one in done),
            "megabytes_a_lane": sum(one.bytes for one in done) / 1e6 / work.lanes,
        }
        return {name: number / work.evaluations for name, number in counts.items()}

    def forget(self) -> None:
        """All work that was made."""
        self.made.clear()


@cache
def _todays_operations() -> Callable[[Callable[[], object]], list]:
    """What counts, from today's files, also where `harness` is an earlier one, which may not have
    it.
    """
    for name in ("harness.count.dispatched", "benchmarks.traced"):
        spec = spec_from_file_location(name, ROOT.joinpath(*name.split(".")).with_suffix(".py"))
        assert spec
        assert spec.loader
        module = sys.modules[spec.name] = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.operations


# --------------------------------------------------------------------------------------------------
# parts
def _network(network: dict, dtype: torch.dtype, lanes: int) -> tuple[Network, Tensor, list[Tensor]]:
    """A network as files have it, parameters [R, P] and knots of lanes that begin."""
    if network["family"] == "module":
        network = {**network, "fingerprint": fingerprint(network["module"])}
    made = TypeAdapter(Network).validate_python(network)
    generators = [np.random.default_rng(lane) for lane in range(lanes)]
    flat_RP = families.initialise(made, generators, 1.0, dtype, "cpu")
    return made, flat_RP, made.draw_knots(generators, dtype, "cpu")


def _begun(
    network: dict, dtype: str, lanes: int, points: int
) -> tuple[Network, Tensor, list[Tensor], Tensor, Tensor]:
    """The same, with random points x [R, N, I] and smooth values y [R, N, O]."""
    number = getattr(torch, dtype)
    made, flat_RP, knots = _network(network, number, lanes)
    x_RNI = torch.from_numpy(
        np.random.default_rng(0).uniform(-1, 1, (lanes, points, made.shape[0]))
    ).to(number)
    y_RNO = torch.sin(3 * x_RNI).mean(2, keepdim=True).repeat(1, 1, made.shape[-1])
    return made, flat_RP, knots, x_RNI, y_RNO


@contextmanager
def _heard(settings: type, told: list[tuple]) -> Iterator[None]:
    """Inside, `told` hears what an optimiser of that class is told."""
    tell = settings.tell

    def hear(self: Any, state: Any, *what: Any) -> Any:
        told.append(what)
        return tell(self, state, *what)

    settings.tell = hear
    try:
        yield
    finally:
        settings.tell = tell


def _of_classes(manifest: Manifest, run: RunSpec, classes: int) -> RunSpec:
    """The run with as many outputs as classes, by the engine that a plan would choose."""
    network = run.network.model_copy(update={"shape": (*run.network.shape[:-1], classes)})
    task = run.task.model_copy(update={"classes": classes})
    engine = engine_of(manifest.experiment, network, run.recipe.optimizer, task)
    return run.model_copy(update={"network": network, "task": task, "engine": engine})


def _random_classes(run: RunSpec, classes: int) -> Splits:
    rng = np.random.default_rng(run.seed)

    def samples(points: int) -> Samples:
        y = rng.integers(classes, size=(points, 1)).astype(float)
        return Samples(rng.uniform(-1, 1, (points, run.task.inputs)), y)

    return Splits(*(samples(count) for count in (run.task.train_points, 8, 8)))
