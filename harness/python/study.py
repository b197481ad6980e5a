"""`harness.read`: an experiment file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from harness.python.shown import Shown
from harness.show.figures.samples import samples_figure
from harness.spec import BUILT_IN_RECIPES, Experiment, Manifest, RunSpec, Setting, read_experiment, settings_from
from harness.spec.read import FULL
from harness.study.folders import frozen_plan
from harness.study.plans import plan_of
from harness.tasks import draw


@dataclass(frozen=True, eq=False, repr=False)
class Study(Shown):
    """An experiment file at one of its scales, with fields set if asked for; and the folder that its results go to."""

    file: Path
    scale: str
    results: Path
    experiment: Experiment
    settings: tuple[Setting, ...] = ()

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
        manifest = plan_of(self.file, self.scale, settings=self.settings, results=self.results)
        runs: dict[str, RunSpec] = {}
        for planned in manifest.runs:
            runs.setdefault(manifest.cells[planned.cell].task, planned.run)
        return samples_figure({task: draw(run.task, run.seed).train for task, run in runs.items()})


def read(
    file: str | Path,
    settings: Mapping[str, Any] | None = None,
    *,
    scale: str = FULL,
    results: str | Path = "results",
) -> Study:
    """Read an experiment file at one of its scales. A HarnessError has a line for each mistake in it.

    `settings` sets fields by their dotted paths, `{"match.at": [60, 120]}`, as `harness run --set` does. `results` is
    the folder for records and reports, as in `harness run --results`.
    """
    path, set_here = Path(file), settings_from({} if settings is None else settings)
    return Study(path, scale, Path(results), read_experiment(path, scale, set_here), set_here)


def as_study(of: Study | str | Path) -> Study:
    """What was read, or the experiment file at this path, read."""
    return of if isinstance(of, Study) else read(of)


def complete_plan(of: Study | str | Path) -> tuple[Manifest, Path]:
    """The plan whose runs are reported, of a study, an experiment file or a results folder; and its folder."""
    if isinstance(of, Study):
        return frozen_plan(of.file, of.results, of.scale, of.settings)
    return frozen_plan(Path(of), Path("results"))
