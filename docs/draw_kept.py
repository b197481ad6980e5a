"""Draw the kept figures anew, from kept numbers, as the code draws them now: `python docs/draw_kept.py [WORD]...`.

With words, only those in folders whose name has one of them. Nothing is trained. Pages of replays get the new figures
in place of the old. What needs more than the kept numbers stays as it is: courses of training (Figs. 2.3, 3.4), pruned
networks (Tables 1 and 2, App. C).
"""

import functools
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from markupsafe import escape
from matplotlib.figure import Figure

from harness.judging.headline import main_headline
from harness.judging.laws import SeriesLaws, fit_table
from harness.judging.pair import lines, sides_named
from harness.judging.runs import runs_of
from harness.judging.scaling import headline_axes
from harness.judging.versus import Headline, VersusRequest
from harness.judging.winners import reported
from harness.paper.replay import REPLAYS, Picture, Replay, bests, curves
from harness.paper.replay.known import fig3_3_poisson as poisson
from harness.show.figures.headline import headline_figure
from harness.show.figures.labels import task_titles
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import scaling_figure
from harness.show.figures.series import experiment_styles
from harness.show.figures.svg import inline_svg
from harness.show.figures.theme import write_figure
from harness.show.figures.versus import TITLE_LETTERS, versus_figure
from harness.spec import Manifest, read_manifest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
COMPARED = {  # what `harness compare` was given for each kept comparison
    "quickstart": ("kan", "mlp"),
}
IN_PAGE = r'(<section id="{stem}">\s*<figure>\s*).*?(\s*</figure>)'

MARK = "<picture>"
Draw = Callable[[], Figure | None]


# -------------------------------------------------------------------------------------------------------- experiments
def kept_study(folder: Path) -> tuple[Manifest, pd.DataFrame, list[SeriesLaws]]:
    """The plan of a kept experiment, its kept runs with the columns that follow from the plan, and their laws."""
    manifest = read_manifest(folder)
    table = pd.read_csv(folder / "runs.csv")
    cells = {cell.index: cell for cell in manifest.cells}
    of_cell = table["cell"].map(cells)
    known = {
        "dtype": manifest.experiment.dtype,
        "metric": "rmse",
        "test_loss": table["test_rmse"],
        "val_loss": table["validation_rmse"],
        "in_window": [cell is None or cell.in_window for cell in of_cell],
        "until_minimum": [bool(cell and cell.window and cell.window.until) for cell in of_cell],
        "hold_out": [cell.hold_out if cell else 0 for cell in of_cell],
        "of_budget": [bool(cell and cell.frontier) for cell in of_cell],
    }
    table = reported(manifest, table.assign(**{name: values for name, values in known.items() if name not in table}))
    return manifest, table, fit_table(table, headline_axes(manifest))


def of_experiment(folder: Path) -> Iterator[tuple[str, Draw]]:
    """The figures of a kept experiment, by the stems of their files."""
    manifest, table, laws = kept_study(folder)
    yield "scaling", functools.partial(scaling_figure, manifest, laws)
    if (folder / "residuals.png").exists():
        yield "residuals", functools.partial(residuals_figure, manifest, laws)
    if (folder / "answer.png").exists():
        answer = main_headline(manifest, table)
        assert isinstance(answer, Headline)
        styles = experiment_styles(manifest, {side.label: side.names for side in answer.sides})
        yield "answer", functools.partial(headline_figure, answer, styles)
    for picture in folder.glob("compare_*.png"):
        runs = runs_of(manifest, table)
        both = sides_named(runs, *COMPARED[folder.name])
        request = VersusRequest(both, runs.matched)
        found = lines(runs, request)
        styles = experiment_styles(manifest, {side.label: side.names for side in both})
        titles = task_titles(manifest, dict.fromkeys(line.task for line in found), TITLE_LETTERS)
        yield picture.stem, functools.partial(versus_figure, request, found, styles, titles)


# ------------------------------------------------------------------------------------------------------------ replays
def of_replay(folder: Path) -> Iterator[Picture]:
    """The pictures of a replay that its kept runs are enough for."""
    replay = next(replay for name, replay in REPLAYS.items() if folder.name.startswith(name))
    table = pd.read_csv(folder / "runs.csv")
    cell = table.groupby(["task", "series", "shape", "grid", "trial"], dropna=False, sort=False).ngroup()
    table = table.assign(arm=table["series"].str.split(" ").str[0], cell=cell)
    yield from _pictures(replay, table)


def _pictures(replay: Replay, table: pd.DataFrame) -> Iterator[Picture]:
    if replay.kind is poisson.poisson:
        for axis in curves.COUNTS:
            yield poisson.norms_picture(table, replay, axis)
    elif isinstance(replay.kind, functools.partial) and replay.kind.func is curves.curves:
        points = curves.beside(curves.published_points(replay, **replay.kind.keywords), table, replay.tolerance)
        yield curves.errors_picture(points, replay, replay.kind.keywords["x"])
    elif isinstance(replay.kind, functools.partial) and replay.kind.func is bests.bests:
        measured = bests.measured_runs(table, replay.kind.keywords["inputs"])
        yield bests.medians_picture(measured, list(dict.fromkeys(table["task"])))


def into_page(page: Path, picture: Picture) -> None:
    """Put a picture with its caption into a page, in the place of the one that is there."""
    drawn = inline_svg(picture.draw, picture.stem, picture.alt)
    figure = f"{drawn}\n<figcaption>{escape(picture.caption)}</figcaption>"
    pattern = IN_PAGE.format(stem=picture.stem)
    text, count = re.subn(pattern, rf"\1{MARK}\2", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert count == 1, f"{page} has {count} pictures of {picture.stem}"
    page.write_text(text.replace(MARK, figure), encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------------- all
def write(draw: Draw, folder: Path, stem: str) -> None:
    """Write those files of a figure that the folder has."""
    figure = draw()
    assert figure is not None
    with tempfile.TemporaryDirectory() as temporary:
        for path in write_figure(figure, Path(temporary) / stem):
            if (folder / path.name).exists():
                shutil.copyfile(path, folder / path.name)
    print(folder / stem, flush=True)


def draw_all(words: list[str]) -> None:
    """All kept figures, or those in folders whose name has one of the words."""
    for folder in sorted(path for kind in ("reference", "replay") for path in (RESULTS / kind).glob("*/")):
        if words and not any(word in folder.name for word in words):
            continue
        if folder.parent.name == "replay":
            for picture in of_replay(folder):
                write(picture.draw, folder, picture.stem)
                into_page(folder / "replay.html", picture)
        elif (folder / "scaling.png").exists():
            for stem, draw in of_experiment(folder):
                write(draw, folder, stem)


if __name__ == "__main__":
    draw_all(sys.argv[1:])
