"""`harness.read`, an experiment file, and `harness.plan`, all of its sizes; and what every function answers with."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from harness.planning.warnings import warnings_of
from harness.show.figures.samples import samples_figure
from harness.show.figures.sizes import sizes_figure
from harness.show.figures.svg import inline_svg
from harness.spec import BUILT_IN_RECIPES, FULL, Experiment, Manifest
from harness.spec.setting import settings_from
from harness.study.folders import StudyFile
from harness.study.plans import cost_sentence, data_lines, freeze_plan, plan_of
from harness.tasks import draw

MOST_ROWS, MOST_COLUMNS = 20, 16  # of a table in a notebook, which shows the first and the last ones


class Shown(ABC):
    """Sentences, a table and a figure. `print` gives the sentences, a notebook shows all three."""

    @property
    @abstractmethod
    def sentences(self) -> list[str]:
        """What it says in words, the most important sentence first."""

    @property
    @abstractmethod
    def table(self) -> pd.DataFrame:
        """What it says in numbers."""

    @abstractmethod
    def figure(self) -> Figure | None:
        """What it says as a new matplotlib figure; None where there is nothing to draw."""

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        said = [Markup("<p>{}</p>").format(sentence) for sentence in self.sentences]
        table = self.table.to_html(max_rows=MOST_ROWS, max_cols=MOST_COLUMNS, index=False, notebook=True)
        drawn = inline_svg(self.figure, f"figure-{uuid4().hex[:8]}", self.sentences[0])
        return "\n".join([*said, table, drawn or ""])


@dataclass(frozen=True, eq=False, repr=False)
class Study(Shown, StudyFile):
    """An experiment file at one of its scales, with fields set if asked for; and the folder that its results go to."""

    experiment: Experiment = field(kw_only=True)

    @property
    def sentences(self) -> list[str]:
        """The question, and what is in the file."""
        at_scale = "" if self.scale == FULL else f" at scale {self.scale}"
        with_set = "".join(f", with {path} = {value}" for path, value in self.settings)
        arms, seeds = ", ".join(self.experiment.arms), len(self.experiment.seeds)
        return [self.experiment.question, f"{self.file}{at_scale}{with_set} compares {arms}, over {seeds} seeds."]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm: what is compared, and how it is trained."""
        recipes = self.experiment.recipes | BUILT_IN_RECIPES
        rows = []
        for name, arm in self.experiment.arms.items():
            said = arm.architecture.model_dump(mode="json", exclude_unset=True)
            recipe = recipes[arm.recipe]
            rows.append(
                {
                    "arm": name,
                    "family": said.pop("family"),
                    "architecture": ", ".join(f"{field}={value}" for field, value in said.items()),
                    "recipe": arm.recipe,
                    "optimizer": recipe.optimizer.name,
                    "max_evaluations": recipe.max_evaluations,
                }
            )
        return pd.DataFrame(rows)

    def figure(self) -> Figure:
        """The training points of every task, as the first run draws them."""
        manifest = plan_of(self)
        runs = {manifest.cells[planned.cell].task: planned.run for planned in reversed(manifest.runs)}  # the first ones
        return samples_figure({task: draw(run.task, run.seed).train for task, run in runs.items()})


def read(
    file: str | Path, settings: Mapping[str, Any] | None = None, *, scale: str = FULL, results: str | Path = "results"
) -> Study:
    """Read an experiment file at one of its scales. A HarnessError has a line for each mistake in it.

    `settings` sets fields by their dotted paths, `{"match.at": [60, 120]}`, as `harness run --set` does. `results` is
    the folder for records and reports, as in `harness run --results`.
    """
    study = StudyFile(Path(file), Path(results), scale, settings_from({} if settings is None else settings))
    return Study(study.file, study.results, scale, study.settings, experiment=study.said())


def study_of(file: Study | str | Path) -> StudyFile:
    """What was read, or the experiment file or results folder at this path."""
    return file if isinstance(file, Study) else StudyFile(Path(file))


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Shown):
    """What will be trained, frozen in `folder`."""

    manifest: Manifest
    folder: Path

    @property
    def sentences(self) -> list[str]:
        """What the runs will cost, what is to be known of data files, and what the plan cannot answer."""
        cost, warnings = cost_sentence(self.manifest, self.folder.parent), warnings_of(self.manifest)
        return [cost, *data_lines(self.manifest), *(warning.sentence for warning in warnings)]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each size of each arm: what was asked, the network, all its counts, or why there is none."""
        rows = [
            {
                "task": cell.task,
                "arm": cell.arm,
                "series": cell.series,
                "asked": cell.asked,
                "achieved": cell.achieved,
                "network": cell.network.words if cell.network else None,
                "infeasible": cell.infeasible,
                **cell.counts,
            }
            for cell in self.manifest.cells
        ]
        return pd.DataFrame(rows)

    def figure(self) -> Figure:
        """Training FLOPs of every network against its parameters."""
        return sizes_figure(self.manifest)


def plan(of: Study | str | Path, replan: bool = False) -> Plan:
    """Solve every size of an experiment and freeze the plan, as `harness plan` does.

    A HarnessError if another plan is frozen there already, unless `replan` replaces it; all records are kept.
    """
    study = study_of(of)
    return Plan(freeze_plan(plan_of(study), study.folder, replan), study.folder)
