"""A folder in which commands are run: experiment files, kept records, and records that nobody
trained.
"""

import re
import shlex
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
from click.testing import CliRunner

import tests.guard.own_code  # noqa: F401  (so that no command says that it imports it)
from harness.cli import main
from harness.families import KanShape
from harness.record.schema import CURVE_POINTS, CurvePoint, Metrics, PhaseEnd, Pruned, Record
from harness.record.store import publish
from harness.show.console import console
from harness.spec.manifest import Manifest, PlannedRun, read_manifest
from harness.study.folders import StudyFile
from harness.study.plans import freeze_file
from tests.made_records import made_record
from tests.made_study import TESTHOST

GUARD = Path(__file__).parent
ROOT = GUARD.parents[1]
RESULTS = Path("results")
CONSOLE_WIDTH, HELP_WIDTH = 160, 100
FRAME, COLUMN = re.compile("[\u2500-\u257f]+"), re.compile("[│┃]")  # characters that draw boxes
TERMINAL = "analysis: "  # begins a line that is said every few seconds, so on a slow machine alone
SIZES = "disk: "  # begins a line of sizes of files, which figures of another matplotlib change


def prepare(folder: Path) -> None:
    """Put all experiment files into `folder`/experiments, and the records of `trained` ones into
    its results.
    """
    shutil.copytree(ROOT / "experiments", folder / "experiments")
    for file in (*GUARD.glob("trained/*.yaml"), *GUARD.glob("made/*.yaml")):
        shutil.copy(file, folder / "experiments")
    shutil.copytree(GUARD / "records", folder / RESULTS / "runs")


def said(command: str) -> str:
    """A command line and what it answers on a terminal of a fixed width, less the frames of
    tables.
    """
    console.width = CONSOLE_WIDTH
    done = CliRunner().invoke(
        main, shlex.split(command), env={"COLUMNS": str(HELP_WIDTH)}, catch_exceptions=False
    )
    shown = [line for line in done.output.splitlines() if not line.startswith((TERMINAL, SIZES))]
    lines = [_without_frame(line) for line in shown if not FRAME.fullmatch(line.strip())]
    ending = [] if done.exit_code == 0 else [f"(exit code {done.exit_code})"]
    return "\n".join([f"$ harness {command}", *lines, *ending, ""])


def _without_frame(line: str) -> str:
    """A row of a table as cells alone, so that a longer one changes no other row."""
    if not COLUMN.search(line):
        return line.rstrip()
    return " | ".join(cell.strip() for cell in COLUMN.split(line.strip().strip("│┃")))


def make_records(name: str) -> None:
    """Publish a record of every run of the plan in results/`name`, in the current folder."""
    _make_records(read_manifest(RESULTS / name))


def make_searched(name: str) -> None:
    """Freeze an experiment with a search and publish its records."""
    _make_records(
        freeze_file(
            StudyFile(Path("experiments") / f"{name}.yaml", RESULTS), replan=False, say=print
        )
    )


def _make_records(manifest: Manifest) -> None:
    for planned in manifest.runs:
        publish(_made_record(planned, manifest.cells[planned.cell].counts), RESULTS / "runs")


def _made_record(planned: PlannedRun, counts: dict[str, int]) -> Record:
    """Of losses that fall as a power of size, with noise that its id decides."""
    run, cap = planned.run, planned.run.recipe.max_evaluations
    noise = np.random.default_rng(int(planned.run_id, 16)).normal(0, 0.05)
    exponent = 1.0 if isinstance(run.network, KanShape) else 0.6
    loss = _rounded(
        3 * (1 + planned.trial) * counts["params.trainable"] ** -exponent * np.exp(noise)
    )
    errors = {
        "train_rmse": loss,
        "validation_rmse": _rounded(1.1 * loss),
        "test_rmse": _rounded(1.2 * loss),
    }
    h1_error = _rounded(9 * loss) if run.task.is_pde else None
    curve = []
    for at in (*(at for at in (1, 2, 4, 8, 16, 32, 64) if at < cap), cap):
        then = loss * cap / at
        point = CurvePoint(
            evaluations=at, train_rmse=_rounded(then), validation_rmse=_rounded(1.1 * then)
        )
        curve.append(point)
    made = {
        "metrics": Metrics(
            **errors, test_root_median_square=_rounded(0.7 * loss), test_h1_error=h1_error
        ),
        "evaluations": cap,
        "iterations": cap,
        "by_stage": ((cap, cap),),
        "counts": counts,
        "curve": tuple(curve),
        "provenance": TESTHOST,
    }
    if phases := run.recipe.phases:
        outputs = tuple(_rounded(value) for value in np.linspace(0, loss, CURVE_POINTS))
        made["phases"] = (PhaseEnd(rmse=(loss,) * phases, outputs=outputs),) * phases
    if run.recipe.sparsity and isinstance(run.network, KanShape):
        made["pruned"] = _nothing_pruned(run.network, _rounded(1.3 * loss))
    return made_record(planned).model_copy(update=made)


def _nothing_pruned(network: KanShape, test_rmse: float) -> Pruned:
    layers = list(pairwise(network.shape))
    return Pruned(
        network=network,
        inputs=tuple(range(network.shape[0])),
        scores=tuple(((1.0,) * inputs,) * outputs for inputs, outputs in layers),
        active_edges=sum(inputs * outputs for inputs, outputs in layers),
        test_rmse=test_rmse,
    )


def _rounded(value: float) -> float:
    """To six digits, which no machine's exponential function changes."""
    return float(f"{value:.6g}")
