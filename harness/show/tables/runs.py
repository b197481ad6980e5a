"""The runs of an experiment: how each series was trained, on which tasks, and accuracies."""

from collections.abc import Iterable

import pandas as pd

from harness.base.formats import human
from harness.show.tables.table import Styled, Table, span_words, table_of
from harness.show.words import loss_word
from harness.spec.manifest import Manifest
from harness.spec.task import RunTask


def run_tasks(manifest: Manifest) -> dict[str, RunTask]:
    """Task label -> the task as its runs know it."""
    return {manifest.cells[planned.cell].task: planned.run.task for planned in manifest.runs}


def accuracies_table(runs: pd.DataFrame) -> Table | None:
    """The share of test points that the chosen runs of each size classify correctly; None without
    classes.

    Readings on the way of a run have none.
    """
    chosen = runs[runs["chosen"] & (runs["metric"] == "cross_entropy") & (runs["status"] == "done")]
    chosen = chosen[chosen["test_accuracy"].notna()] if "test_accuracy" in chosen else chosen
    rows = []
    for (task, series, _), of_size in chosen.groupby(["task", "series", "cell"], sort=False):
        accuracy, size = of_size["test_accuracy"], human(of_size["params.trainable"].median())
        span = f"{accuracy.min():.1%} to {accuracy.max():.1%}"
        rows.append(
            (
                str(task),
                str(series),
                size,
                Styled(f"{accuracy.mean():.1%}", "strong"),
                span,
                len(of_size),
            )
        )
    heads = ("task", "series", "#trainable parameters", "#test accuracy", "#range", "#seeds")
    return table_of("", heads, rows) if rows else None


def series_table(manifest: Manifest, runs: pd.DataFrame) -> Table:
    """A row a series: its runs, how they ended, their recipe and what they spent."""
    rows = []
    for name, series in runs.groupby("series", sort=False):
        ended, cells = series["status"].value_counts(), set(series["cell"])
        recipes = [planned.run.recipe for planned in manifest.runs if planned.cell in cells]
        starts = []
        for restarts in (recipe.restarts for recipe in recipes):
            several = f"{restarts.count} of {restarts.evaluations} evaluations, best goes on"
            starts.append(several if restarts.count > 1 else "1")
        optimizers = _distinct(recipe.optimizer.title for recipe in recipes)
        recipe = manifest.experiment.arms[series["arm"].iloc[0]].recipe
        called = f"{recipe} ({optimizers} ({_distinct(series['engine'])} engine))"
        counts = len(cells), len(series), int(ended.get("done", 0)), int(ended.get("diverged", 0))
        caps, spent = (
            span_words([recipe.max_evaluations for recipe in recipes]),
            span_words(set(series["evaluations"])),
        )
        rows.append((str(name), *counts, called, caps, spent, _distinct(starts)))
    counts_and_recipe = ("#cells", "#runs", "#done", "#diverged", "recipe")
    return table_of(
        "", ("series", *counts_and_recipe, "#evaluation cap", "#evaluations spent", "starts"), rows
    )


def _distinct(values: Iterable[object]) -> str:
    """The different values, in order of appearance."""
    return "; ".join(dict.fromkeys(map(str, values)))


def tasks_table(manifest: Manifest) -> Table:
    """A row a task: what is learnt, from where it is, and how many points there are."""
    rows = []
    for label, task in run_tasks(manifest).items():
        target = manifest.formulas[label]
        points = (task.train_points, task.validation_points, task.test_points)
        loss = loss_word(task.metric).removeprefix("test ")
        intervals = [f"[{low:g}, {high:g}]" for low, high in task.box]
        box = intervals[0] if len(set(intervals)) == 1 else " × ".join(intervals)
        rows.append((label, target.formula, target.source, loss, task.inputs, box, *points))
    numbers = (
        "#inputs",
        "#box per input",
        "#training points",
        "#validation points",
        "#test points",
    )
    return table_of("", ("task", "target", "source", "loss", *numbers), rows)
