"""How long an evaluation takes inside a fit by L-BFGS, the optimiser's own work included."""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pandas as pd
import torch

from benchmarks.clock import Contestant, race
from benchmarks.implementations import initial, mlp_model, problem, pykan_model
from benchmarks.pykan_jobs import counted_steps
from benchmarks.report import Report
from harness.families import KanShape, MlpShape, Network
from harness.optimisers import Lbfgs
from harness.spec.task import Task
from harness.tasks import Splits, draw, resolve
from harness.train.fused.optimisers import lbfgs

KANS = [KanShape(shape=(2, 5, 1), grid=grid) for grid in (5, 100)]
MLPS = [MlpShape(shape=(2, width, width, 1)) for width in (5, 20)]
POINTS = 1000
PYKAN_STEPS = 4  # of some 24 evaluations each
EVALUATIONS = 300
ROUNDS = 7
SETTINGS = Lbfgs(name="lbfgs")  # history and tolerances as pykan's
FUSED = "fused (ours)"


def compare(folder: Path) -> Report:
    """Milliseconds of one evaluation of a fit."""
    splits = draw(resolve(Task(target="exp2d", train_points=POINTS)), seed=0)
    rows = []
    for kan in KANS:
        rows += _race(kan, splits, _pykan(kan, splits))
    for mlp in MLPS:
        rows += _race(mlp, splits, _torch(mlp, splits))
    return Report(
        name="lbfgs",
        title=(
            f"L-BFGS, milliseconds an evaluation with the optimiser's own work; {POINTS} points "
            "of exp2d"
        ),
        table=pd.DataFrame(rows),
        shown={
            "network": "network",
            "grid": "G",
            "implementation": "implementation",
            "evaluations": "evaluations",
            "cpu_ms": "CPU ms",
            "wall_ms": "wall ms",
            "times_fused": "÷ fused",
        },
        notes=[
            f"Medians of {ROUNDS} rounds, in which everybody has a turn and begins with the same "
            "parameters. pykan's "
            "fit is spared what it does beside: moving knots, saving, and the test points.",
        ],
    )


def _race(network: Network, splits: Splits, other: Contestant) -> list[dict]:
    timings = race([Contestant(FUSED, _fused(network, splits)), other], ROUNDS)
    return [
        {
            "network": str(list(network.shape)),
            "grid": network.grid if isinstance(network, KanShape) else None,
            "implementation": one,
            "evaluations": timing.units,
            "cpu_ms": timing.cpu_ms,
            "cpu_ms_low": timing.cpu_ms_quartiles[0],
            "cpu_ms_high": timing.cpu_ms_quartiles[1],
            "wall_ms": timing.wall_ms,
            "times_fused": timing.cpu_ms / timings[FUSED].cpu_ms,
        }
        for one, timing in timings.items()
    ]


def _fused(network: Network, splits: Splits) -> Callable[[], int]:
    flat, arguments = initial(network), problem(network, splits.train.x, splits.train.y)

    def work() -> int:
        return lbfgs.advance(
            SETTINGS, lbfgs.start(SETTINGS, flat), arguments, EVALUATIONS
        ).evaluations

    return work


def _pykan(kan: KanShape, splits: Splits) -> Contestant:
    x, y = torch.from_numpy(splits.train.x), torch.from_numpy(splits.train.y)
    dataset = {"train_input": x, "train_label": y, "test_input": x[:1], "test_label": y[:1]}
    models: list = []

    def prepare() -> None:
        models[:] = [pykan_model(kan, initial(kan)).speed()]

    def work() -> int:
        evaluations: list[int] = []
        with redirect_stdout(io.StringIO()), counted_steps(evaluations):
            models[0].fit(dataset, opt="LBFGS", steps=PYKAN_STEPS, update_grid=False)
        return sum(evaluations)

    return Contestant("pykan's fit", work, prepare)


def _torch(mlp: MlpShape, splits: Splits) -> Contestant:
    x, y = torch.from_numpy(splits.train.x), torch.from_numpy(splits.train.y)
    models: list = []

    def prepare() -> None:
        models[:] = [mlp_model(mlp, initial(mlp))]

    def work() -> int:
        model, evaluations = models[0], 0
        optimiser = torch.optim.LBFGS(
            model.parameters(),
            max_iter=EVALUATIONS,
            max_eval=EVALUATIONS,
            tolerance_grad=SETTINGS.tolerance_gradient,
            tolerance_change=SETTINGS.tolerance_change,
            history_size=SETTINGS.history,
            line_search_fn="strong_wolfe",
        )

        def closure() -> torch.Tensor:
            nonlocal evaluations
            evaluations += 1
            optimiser.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            return loss

        optimiser.step(closure)
        return evaluations

    return Contestant("torch.optim.LBFGS", work, prepare)
