"""The runs of an experiment: how each series was trained, on which tasks, and accuracies."""

from collections.abc import Iterable, Sequence

import pandas as pd

from harness.base.formats import human
from harness.show.tables.table import Styled, Table, number_columns, table_of, text_columns
from harness.show.words import LOSS_WORDS
from harness.spec import Manifest, RunTask


def run_tasks(manifest: Manifest) -> dict[str, RunTask]:
    """Task label -> the task as its runs know it."""
    labels = {cell.index: cell.task for cell in manifest.cells}
    return {labels[planned.cell]: planned.run.task for planned in manifest.runs}


def accuracies_table(runs: pd.DataFrame) -> Table | None:
    """The share of test points that the chosen runs of each size classify correctly; None without classes."""
    chosen = runs[runs["chosen"] & (runs["metric"] == "cross_entropy") & (runs["status"] == "done")]
    rows = []
    for (task, series, _), of_size in chosen.groupby(["task", "series", "cell"], sort=False):
        accuracy = of_size["test_accuracy"]
        mean = Styled(f"{accuracy.mean():.1%}", "strong")
        span = f"{accuracy.min():.1%} to {accuracy.max():.1%}"
        rows.append((str(task), str(series), human(of_size["params.trainable"].median()), mean, span, len(of_size)))
    columns = (
        *text_columns("task", "series"),
        *number_columns("trainable parameters", "test accuracy", "range", "seeds"),
    )
    return table_of("", columns, rows) if rows else None


def series_table(manifest: Manifest, runs: pd.DataFrame) -> Table:
    """A row a series: its runs, how they ended, their recipe and what they spent."""
    columns = (
        *text_columns("series"),
        *number_columns("cells", "runs", "done", "diverged"),
        *text_columns("recipe"),
        *number_columns("evaluation cap", "evaluations spent"),
        *text_columns("starts"),
    )
    names = dict.fromkeys(runs["series"])
    return table_of("", columns, [_series_cells(manifest, runs[runs["series"] == name]) for name in names])


def _series_cells(manifest: Manifest, rows: pd.DataFrame) -> tuple[str | int, ...]:
    arm = manifest.experiment.arms[rows["arm"].iloc[0]]
    cells = set(rows["cell"])
    recipes = [planned.run.recipe for planned in manifest.runs if planned.cell in cells]
    starts = [
        f"{one.count} of {one.evaluations} evaluations, best goes on" if one.count > 1 else "1"
        for one in (recipe.restarts for recipe in recipes)
    ]
    optimizers = _distinct(recipe.optimizer.title for recipe in recipes)
    return (
        rows["series"].iloc[0],
        len(cells),
        len(rows),
        int((rows["status"] == "done").sum()),
        int((rows["status"] == "diverged").sum()),
        f"{arm.recipe} ({optimizers} ({_distinct(rows['engine'])} engine))",
        _span([recipe.max_evaluations for recipe in recipes]),
        _span(list(rows["evaluations"])),
        _distinct(starts),
    )


def _span(numbers: Sequence[int]) -> str:
    least, most = min(numbers), max(numbers)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _distinct(values: Iterable[object]) -> str:
    """The different values, in order of appearance."""
    return "; ".join(dict.fromkeys(str(value) for value in values))


def tasks_table(manifest: Manifest) -> Table:
    """A row a task: what is learnt, from where it is, and how many points there are."""
    rows = []
    for label, task in run_tasks(manifest).items():
        target = manifest.formulas[label]
        points = (task.train_points, task.validation_points, task.test_points)
        loss = LOSS_WORDS[task.metric].removeprefix("test ")
        intervals = [f"[{low:g}, {high:g}]" for low, high in task.box]
        box = " × ".join(intervals if len(set(intervals)) > 1 else intervals[:1])
        rows.append((label, target.formula, target.source, loss, task.inputs, box, *points))
    columns = (
        *text_columns("task", "target", "source", "loss"),
        *number_columns("inputs", "box per input", "training points", "validation points", "test points"),
    )
    return table_of("", columns, rows)
