"""What runs say: `harness.run`, `runs`, `compare`, `verdicts`; and `load_network`, what they have
trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
from matplotlib.figure import Figure

from harness.base.errors import HarnessError, did_you_mean
from harness.base.plain import plain
from harness.judging.by_laws import OF_EACH_ARM, ComparisonRequest
from harness.judging.judge import sentence
from harness.judging.laws import fit_table
from harness.judging.readings import with_readings
from harness.judging.verdict import Verdict, refused_words
from harness.judging.versus import Headline, NoHeadline
from harness.judging.winners import reported
from harness.laws.shared import Pin
from harness.python.laws import ComparisonByLaws, many, of_runs, opened
from harness.python.study import Shown, Study, headline_said, readings, study_of, why_no_ratio
from harness.record.networks import FOLDER, read_network
from harness.record.store import read_record, record_path
from harness.show.console import TERMINAL, progress_here
from harness.show.figures.headline import headline_figure
from harness.show.figures.labels import task_titles
from harness.show.figures.scaling import of_sides, scaling_figure
from harness.show.figures.series import experiment_styles
from harness.show.figures.theme import empty_figure
from harness.show.figures.versus import TITLE_LETTERS, versus_figure
from harness.show.tables.verdicts import answer_sentences
from harness.spec.manifest import Manifest
from harness.study.analysis import (
    Compared,
    analyse_and_report,
    answer_of,
    compare_sides,
    keeping_fits,
)
from harness.study.doors import compared_by_laws
from harness.study.folders import planned_records
from harness.study.tables import Tables, tables_of
from harness.study.training import run_file

if TYPE_CHECKING:
    from harness.nn.trained import TrainedNetwork


# --------------------------------------------------------------------------------------------------
# comparisons
@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """Two sides at equal size under every count: `compared` has all numbers, those of their laws
    too.
    """

    manifest: Manifest
    compared: Compared

    @property
    def sentences(self) -> list[str]:
        """Who is better at the largest size, and what to be careful about."""
        return headline_said(self.compared.headline)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each task, axis and size: who leads, if anybody, and how many times lower the
        test loss is.
        """
        return readings(self.compared.headline)

    def figure(self) -> Figure:
        """The ratio at every size of the first side, a line for each count; or why there is
        none.
        """
        titles = task_titles(self.compared.headline.formulas, TITLE_LETTERS)
        styles = experiment_styles(self.manifest, self.compared.headline.names)
        drawn = versus_figure(self.compared.asked, self.compared.lines, styles, titles)
        return drawn or empty_figure(why_no_ratio(self.compared.headline))


def compare(
    of: pd.DataFrame | Study | str | Path,
    first: str | None = None,
    second: str | None = None,
    at: float | None = None,
    axis: str | None = None,
    level: float | None = None,
    *,
    x: str | Sequence[str] = (),
    y: str | None = None,
    by: str | Sequence[str] = (),
    and_: str | None = None,
    compute: str | None = None,
    seconds: str | None = None,
    budgets: float | Sequence[float] = (),
    floor: Pin | None = None,
    alpha: Pin = "free",
    **columns: Any,
) -> Comparison | ComparisonByLaws:
    """Compare two arms of an experiment file or a results folder, or of a table of anybody's runs.

    Without names these are the first two arms of the experiment. A side may be several arms under a
    name of yours, `MLP=mlp_2,mlp_3`. `at` is a size of the first side on `axis` (params, seconds,
    flops_train.local_min, ...), and `level` that of the intervals. A HarnessError while runs are
    missing.

    Of a table of runs, arms are compared by their laws: `x`, `y`, `by` and the other columns are as
    in `harness.fit`. `seconds` is a column of what runs took, `and_` one of a
    second size, with `compute` that of their cost: then compute-optimal curves are compared.
    `budgets` are sizes of the first at which the multiplier is told, and `floor` and `alpha` what
    both laws have: `free`, `shared` or a number.
    """
    if of_runs(of):
        if first is None or second is None:
            raise HarnessError(
                "`first`, `second`: name two arms of the table, which are values of `by`"
            )
        for name, value in {"at": at, "axis": axis}.items():
            if value is not None:
                raise HarnessError(
                    f"`{name}` {value}: is for experiments; of laws the sizes are `x`, and "
                    "`budgets` asks for a size"
                )
        how: dict[str, Any] = {
            "laws": (OF_EACH_ARM,),
            "arms": (first, second),
            "level": 0.95 if level is None else level,
            "seconds": seconds,
        }
        if and_:
            how |= {"form": "and", "value": and_, "compute": compute}
        asked = ComparisonRequest(many(budgets), floor, alpha)
        with opened(of, x, y, by, columns, how) as door:
            return ComparisonByLaws(compared_by_laws(door, asked))
    assert not isinstance(of, pd.DataFrame)  # which is a table
    of_tables: dict[str, Any] = {
        "x": x,
        "y": y,
        "by": by,
        "and_": and_,
        "compute": compute,
        "seconds": seconds,
    }
    of_tables |= {
        "budgets": budgets,
        "floor": floor,
        "alpha": None if alpha == "free" else alpha,
        **columns,
    }
    for name, value in of_tables.items():
        if many(value):
            raise HarnessError(
                f"`{name}`: two sides of an experiment are compared without it; leave it out"
            )
    manifest, folder = study_of(of).frozen()
    arms = list(manifest.experiment.arms)
    if first is None and len(arms) < 2:
        raise HarnessError(
            f"{manifest.name} has one arm, {arms[0]}; there is nothing to compare it with"
        )
    pair = (first or arms[0], second or arms[1])
    if isinstance(at, Iterable):
        raise HarnessError(f"`at` {at}: an experiment is compared at one size; give one")
    size = None if at is None else float(at)
    return Comparison(manifest, compare_sides(manifest, folder, pair, axis, size, level))


# --------------------------------------------------------------------------------------------------
# verdicts
RULE = ("claim", "rule", "verdict", "axis", "effort", "power")
FOUND = ("estimate", "low", "high", "replicates", "won", "lost")


@dataclass(frozen=True, eq=False, repr=False)
class Verdicts(Shown):
    """The verdicts on the rules of experiments; `answers` are those of `harness verdicts
    --json`.
    """

    answers: list[dict[str, Any]]

    @property
    def sentences(self) -> list[str]:
        """A sentence for each rule, then what to know besides, and the next move where runs are
        missing.
        """
        claims = [
            f"{answer['name']}: “{rule['claim']}” is {rule['verdict']}."
            for answer, rule in self._rules()
        ]
        return [*claims, *chain.from_iterable(map(answer_sentences, self.answers))]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each rule: its claim, in words what it asks, and the verdict."""
        rows = []
        for answer, rule in self._rules():
            rows.append({"experiment": answer["name"], **{name: rule.get(name) for name in RULE}})
        return pd.DataFrame(rows)

    @property
    def numbers(self) -> pd.DataFrame:
        """A row for each number that a verdict hangs on, one a task."""
        rows = []
        for answer, rule in self._rules():
            for number in rule["numbers"]:
                where = {"experiment": answer["name"], "claim": rule["claim"]}
                named = {name: number[name] for name in ("unit", "outcome")}
                estimate = {name: number["found"][name] for name in FOUND}
                rows.append(
                    {**where, **named, **estimate, "refused": refused_words(number) or None}
                )
        return pd.DataFrame(rows)

    def _rules(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        rules = []
        for answer in self.answers:
            rules += [(answer, rule) for rule in answer["verdicts"]]
        return rules


def verdicts(*of: Study | str | Path) -> Verdicts:
    """Judge the rules (`decide:`) of experiment files or results folders, as `harness verdicts`
    does.

    A rule whose runs are missing is `not run`. A HarnessError if a file has no rules.
    """
    if not of:
        raise HarnessError("verdicts(): name at least one experiment file, results folder or study")
    answers = [answer_of(study_of(file))[0] for file in of]
    return Verdicts([plain(answer) for answer in answers])


# --------------------------------------------------------------------------------------------------
# runs
class Runs(pd.DataFrame):
    """A pandas DataFrame with a row for each run at each size that it was asked for.

    What is computed from it is a plain DataFrame. docs/python.md says what its columns are.
    """

    _metadata: ClassVar[list[str]] = ["_plan"]  # kept by pandas, and no column
    _plan: tuple[Manifest, Path, pd.DataFrame]

    @property
    def table(self) -> pd.DataFrame:
        """The runs themselves."""
        return pd.DataFrame(self)

    def figure(self) -> Figure:
        """Test loss against size, with the laws that are fitted to it; of a search that of its
        winners.
        """
        manifest, folder, readings = self._plan
        are_runs = "budget" not in self and not readings.empty
        every = with_readings(self.table, readings) if are_runs else self.table
        with keeping_fits(folder, TERMINAL):
            laws = fit_table(reported(manifest, every))
            return scaling_figure(manifest, laws, of_sides(manifest, laws)[0])


@dataclass(frozen=True, eq=False, repr=False)
class Answer(Shown):
    """Which side is better at equal size, the verdicts of the rules, the table of all runs, and the
    report's path.
    """

    manifest: Manifest
    headline: Headline | NoHeadline
    verdicts: list[Verdict]
    runs: Runs
    report: Path

    @property
    def sentences(self) -> list[str]:
        """The answer, what to be careful about, and the verdicts."""
        return [
            *headline_said(self.headline),
            *map(sentence, self.verdicts),
            f"Report: {self.report}",
        ]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each task, axis and size: how many times lower a side's test loss is. Empty
        without an answer.
        """
        return readings(self.headline)

    def best(self, arm: str, task: str | None = None) -> TrainedNetwork:
        """The trained network of this arm with the least validation error, of all sizes and
        replicates.

        Its experiment must say `keep: networks`, as files of `harness.new` do. A HarnessError if
        there is none.
        """
        of_arm = self.runs.table.query("arm == @arm and status == 'done'")
        if of_arm.empty:
            arms = list(self.manifest.experiment.arms)
            raise HarnessError(f"{arm!r} is no arm with trained runs; {did_you_mean(arm, arms)}")
        tasks = list(dict.fromkeys(of_arm["task"]))
        if task is None and len(tasks) > 1:
            raise HarnessError(f"`task`: {arm} learnt {', '.join(tasks)}; say which")
        if task is not None and task not in tasks:
            raise HarnessError(
                f"`task` {task!r} was not learnt by {arm}; {did_you_mean(task, tasks)}"
            )
        of_task = of_arm if task is None else of_arm[of_arm["task"] == task]
        best = of_task.sort_values("val_loss", kind="stable").iloc[0]
        return load_network(str(best["run_id"]), self.report.parent.parent)

    def figure(self) -> Figure:
        """The ratios with their intervals, at equal size on each axis, or why there are none; else
        the runs.
        """
        if isinstance(self.headline, NoHeadline):
            return self.runs.figure()
        drawn = headline_figure(
            self.headline, experiment_styles(self.manifest, self.headline.names)
        )
        return drawn or empty_figure(why_no_ratio(self.headline))


def run(
    of: Study | str | Path,
    workers: int | None = None,
    replan: bool = False,
) -> Answer:
    """Train on this machine what is missing, and answer the question, as `harness run` does;
    progress is shown.

    `workers` is how many processes train, one a core if left out. Interrupt it at any time: the
    same call goes on from there.
    """
    if workers is not None and workers < 1:
        raise HarnessError(
            f"run(workers={workers}): give 1 or more, or leave it out for one a core"
        )
    study = study_of(of)
    shown, folder = progress_here(), study.folder
    manifest = run_file(study, shown, replan, workers)
    analysis, headline, verdicts = analyse_and_report(manifest, folder, shown)
    return Answer(
        manifest,
        headline,
        verdicts,
        _runs(manifest, folder, analysis.tables),
        folder / "report.html",
    )


def runs(of: Study | str | Path, readings: bool = False) -> Runs:
    """The runs of an experiment file or a results folder as a tidy table; a HarnessError while some
    are missing.

    With `readings` it has a row for each run, count and budget, with what the run had come to
    there.
    """
    manifest, folder = study_of(of).frozen()
    if readings and not manifest.experiment.read_at:
        raise HarnessError(
            f"runs(readings=True): {manifest.name} has no budgets at which its runs are read"
        )
    return _runs(
        manifest, folder, tables_of(manifest, planned_records(manifest, folder), folder), readings
    )


def _runs(manifest: Manifest, folder: Path, tables: Tables, readings: bool = False) -> Runs:
    runs_table = Runs(tables.every if readings else tables.runs)
    runs_table._plan = manifest, folder, tables.readings
    return runs_table


def load_network(run_id: str, results: str | Path = "results") -> TrainedNetwork:
    """The trained network of a run as a torch module, which takes the task's own inputs.

    Of a table it takes a DataFrame by the names of its columns, or an array in the order that
    `print` shows. `predict` gives a number or a class for each row.

    `run_id` is a run of `harness.runs(study)`. Its experiment must say `keep: networks`. A
    HarnessError if the run has no record in this results folder, has diverged, or its network was
    not kept.
    """
    from harness.nn.trained import TrainedNetwork  # with torch

    folder = Path(results)
    path = record_path(folder / "runs", run_id)
    if not path.exists():
        raise HarnessError(
            f"run {run_id!r}: no record in {path.parent}; `harness.runs(study)` has the ids of runs"
        )
    record = read_record(path)
    if record.status == "diverged":
        raise HarnessError(
            f"run {run_id}: it diverged, so no network was kept; choose a run whose status is done"
        )
    return TrainedNetwork(record, read_network(folder / FOLDER, run_id))
