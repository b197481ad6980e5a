"""`harness.read`, an experiment file, and `harness.plan`, all of its sizes; and what every function
answers with.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from harness.base.errors import HarnessError
from harness.base.files import whole_file
from harness.base.formats import plural
from harness.judging.versus import Headline, NoHeadline
from harness.planning.warnings import warnings_of
from harness.show.figures.svg import inline_svg
from harness.show.tables.headline import READINGS, answer_sentences, reading_rows
from harness.spec.document import FULL
from harness.spec.experiment import Experiment
from harness.spec.manifest import Manifest
from harness.spec.recipe import BUILT_IN_RECIPES
from harness.spec.setting import plain_value, settings_from
from harness.study.folders import StudyFile
from harness.study.plans import cost_sentence, data_lines, freeze_plan, plan_of
from harness.study.starter import Rival, Starter, write_starter
from harness.tasks import known_data, resolve
from harness.tasks.table import some

MOST_ROWS, MOST_COLUMNS = (
    20,
    16,
)  # of a table in a notebook, which shows the first and the last ones


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

    def figure(self) -> Figure | None:  # noqa: B027  before anything is trained there is nothing to draw
        """What it says as a new matplotlib figure; None where there is nothing to draw."""

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        paragraphs = [Markup("<p>{}</p>").format(sentence) for sentence in self.sentences]
        table = self.table.to_html(
            max_rows=MOST_ROWS, max_cols=MOST_COLUMNS, index=False, notebook=True
        )
        drawn = inline_svg(self.figure, f"figure-{uuid4().hex[:8]}", self.sentences[0])
        return "\n".join([*paragraphs, table, drawn or ""])


# --------------------------------------------------------------------------------------------------
# headlines
def headline_said(headline: Headline | NoHeadline) -> list[str]:
    """The answer at the largest size, and its cautions, or why there is none."""
    if isinstance(headline, NoHeadline):
        return [headline.why]
    return [*answer_sentences(headline), *(f"Careful: {caution}" for caution in headline.cautions)]


def readings(headline: Headline | NoHeadline) -> pd.DataFrame:
    """A row for each task, axis and size, as READINGS name it."""
    rows = [] if isinstance(headline, NoHeadline) else reading_rows(headline)
    return pd.DataFrame(rows, columns=list(READINGS))


def why_no_ratio(headline: Headline | NoHeadline) -> str:
    """Why there is nothing to draw of an answer: the first reason."""
    if isinstance(headline, NoHeadline):
        return headline.why
    return next(
        (reading.ratio.refused for reading in headline.readings if reading.ratio.refused),
        "No ratio was found.",
    )


# --------------------------------------------------------------------------------------------------
# files
@dataclass(frozen=True, eq=False, repr=False)
class Study(Shown, StudyFile):
    """An experiment file at one of its scales, with fields set if asked for; and the folder that
    its results go to.
    """

    experiment: Experiment = field(kw_only=True)

    @property
    def sentences(self) -> list[str]:
        """The question, what is in the file, and which columns of its tables are learnt from
        which.
        """
        at_scale = "" if self.scale == FULL else f" at scale {self.scale}"
        with_set = "".join(f", with {path} = {value}" for path, value in self.settings)
        arms, seeds = ", ".join(self.experiment.arms), plural(len(self.experiment.seeds), "seed")
        lines = [
            self.experiment.question,
            f"{self.file}{at_scale}{with_set} compares {arms}, over {seeds}.",
        ]
        for task in (resolve(written, self.file.parent) for written in self.experiment.tasks):
            if task.is_data_file:
                data = known_data(task)
                lines += [*data.notes, f"Its inputs: {some(data.columns)}"]
        return lines

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm: what is compared, and how it is trained."""
        recipes = self.experiment.recipes | BUILT_IN_RECIPES
        rows = []
        for name, arm in self.experiment.arms.items():
            fields = arm.architecture.model_dump(mode="json", exclude_unset=True)
            recipe = recipes[arm.recipe]
            rows.append(
                {
                    "arm": name,
                    "family": fields.pop("family"),
                    "architecture": ", ".join(f"{key}={value}" for key, value in fields.items()),
                    "recipe": arm.recipe,
                    "optimizer": recipe.optimizer.name,
                    "max_evaluations": recipe.max_evaluations,
                }
            )
        return pd.DataFrame(rows)


def read(
    file: str | Path | Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    *,
    scale: str = FULL,
    results: str | Path = "results",
    name: str = "experiment",
) -> Study:
    """Read an experiment file at one of its scales. A HarnessError has a line for each mistake in
    it.

    A dict with the fields of a file is a file too; `name` is what it is called, and its results
    folder. `settings` sets fields by their dotted paths, `{"match.at": [60, 120]}`, as `harness run
    --set` does. `results` is the folder for records and reports, as in `harness run --results`.
    """
    text = json.dumps(file, default=plain_value) if isinstance(file, Mapping) else None
    path = Path(f"{name}.yaml") if isinstance(file, Mapping) else Path(file)
    study = StudyFile(
        path, Path(results), scale, settings_from({} if settings is None else settings), text=text
    )
    return Study(
        study.file, study.results, scale, study.settings, text=text, experiment=study.read()
    )


def new(
    name: str | Path,
    data: pd.DataFrame | str | Path | None = None,
    target: str | None = None,
    *,
    classes: bool = False,
    function: str | None = None,
    inputs: int | None = None,
    module: str | None = None,
    against: Rival | None = None,
    source: str | None = None,
    results: str | Path = "results",
) -> Study:
    """Write NAME.yaml, an experiment that runs in minutes and can answer, as `harness new` does;
    and read it.

    `data` is a table, or the path of one, whose column `target` is learnt from the others. The rows
    of a DataFrame are written beside the file, under their hash. A file of that name is never
    overwritten, unless it says the same.
    """
    table, is_new = Path(data) if isinstance(data, str | Path) else None, False
    if isinstance(data, pd.DataFrame):
        table, is_new = _kept_rows(data, Path(name))
    starter = Starter(function, inputs, table, target, classes, module, against, source)
    try:
        path, _ = write_starter(Path(name), starter)
    except HarnessError:
        if is_new and table:
            table.unlink()
        raise
    return read(path, results=results)


def _kept_rows(rows: pd.DataFrame, name: Path) -> tuple[Path, bool]:
    """The file of a DataFrame beside NAME.yaml, called by its content, and whether it was not there
    before.
    """
    try:
        content = rows.rename(columns=str).to_parquet(index=False)
    except Exception as error:  # of pyarrow, for columns that hold anything
        raise HarnessError(
            f"`data`: the table cannot be written as Parquet ({error}); mend these columns"
        ) from None
    path = name.with_name(f"{name.stem}-{hashlib.sha256(content).hexdigest()[:8]}.parquet")
    if path.exists():
        return path, False
    with whole_file(path) as new_file:
        new_file.write_bytes(content)
    return path, True


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
        """What the runs will cost, what is to be known of data files, and what the plan cannot
        answer.
        """
        cost, warnings = (
            cost_sentence(self.manifest, self.folder.parent),
            warnings_of(self.manifest),
        )
        return [cost, *data_lines(self.manifest), *(warning.sentence for warning in warnings)]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each size of each arm: what was asked, the network, all its counts, or why
        there is none.
        """
        rows = []
        for cell in self.manifest.cells:
            asked = {
                name: getattr(cell, name) for name in ("task", "arm", "series", "asked", "achieved")
            }
            network = cell.network.words if cell.network else None
            rows.append({**asked, "network": network, "infeasible": cell.infeasible, **cell.counts})
        return pd.DataFrame(rows)


def plan(of: Study | str | Path, replan: bool = False) -> Plan:
    """Solve every size of an experiment and freeze the plan, as `harness plan` does.

    A HarnessError if another plan is frozen there already, unless `replan` replaces it; all records
    are kept.
    """
    study = study_of(of)
    return Plan(freeze_plan(plan_of(study), study.folder, replan), study.folder)
