"""Draw the kept figures anew, from kept numbers, as the code draws them now: `python
docs/draw_kept.py [WORD]...`.

With words, only those in folders whose name has one of them. Nothing is trained. Pages of replays
get the new figures in place of the old. Names of experiments' figures are of the file as it is now.
What needs more than the kept numbers stays as it is: courses of training (Figs. 2.3, 3.4), pruned
networks (Tables 1 and 2, App. C).
"""

import functools
import itertools
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from markupsafe import escape
from matplotlib.figure import Figure

from harness.comparison.replicates import Found
from harness.judging.baselines import baselines_of
from harness.judging.headline import main_headline
from harness.judging.laws import fit_table
from harness.judging.readings import with_readings
from harness.judging.scaling import headline_axes
from harness.judging.versus import Baseline, Headline, Reading, Side
from harness.judging.winners import reported
from harness.paper.replay import REPLAYS, Picture, Replay, bests, curves, poisson
from harness.show.figures.headline import headline_figure
from harness.show.figures.scaling import of_sides, scaling_figure
from harness.show.figures.series import experiment_styles
from harness.show.figures.svg import inline_svg
from harness.show.figures.theme import write_figure
from harness.spec.document import FULL
from harness.spec.manifest import manifest_path, read_manifest
from harness.spec.read import scales_of
from harness.study.folders import StudyFile
from harness.study.plans import plan_of

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
NUMBERS = ("estimate", "low", "high", "at", "replicates")  # of a ratio, which are drawn
IN_PAGE = r'(<section id="{stem}">\s*<figure>\s*).*?(\s*</figure>)'

MARK = "<picture>"
Draw = Callable[[], Figure | None]


# --------------------------------------------------------------------------------------------------
# experiments
def study_of(folder: Path) -> StudyFile | None:
    """The file and scale whose kept results these are; None of earlier files, whose figures stay as
    they are.

    Those are also of files that gave each size a cap of its own, in place of the budgets that they
    say now.
    """
    stem, _, scale = folder.name.partition("-")
    file = ROOT / "experiments" / f"{stem}.yaml"
    is_known = file.exists() and (scale or FULL) in scales_of(file)
    study = StudyFile(file, folder.parent, scale or FULL)
    has_plan = manifest_path(folder).exists() or (folder / "readings.csv.xz").exists()
    return study if is_known and (has_plan or not study.read().read_at) else None


def of_experiment(folder: Path, study: StudyFile) -> Iterator[tuple[str, Draw]]:
    """The figures of a kept experiment, by the stems of their files."""
    manifest = read_manifest(folder) if manifest_path(folder).exists() else plan_of(study)
    runs = pd.read_csv(next(folder.glob("runs.csv*")))
    known = {"dtype": manifest.experiment.dtype, "of_budget": False}
    every = runs.assign(**{name: value for name, value in known.items() if name not in runs})
    if (folder / "readings.csv.xz").exists():
        every = with_readings(every, pd.read_csv(folder / "readings.csv.xz"))
    table = every if "won_on" in every else reported(manifest, every)
    laws = fit_table(table, headline_axes(manifest))
    answer = kept_answer(folder / "answer.json") or main_headline(manifest, table, every)
    baselines = list(
        itertools.chain.from_iterable(baselines_of(table, task) for task in table["task"].unique())
    )
    if isinstance(answer, Headline):
        baselines = list(answer.baselines)
        styles = experiment_styles(manifest, {side.label: side.names for side in answer.sides})
        yield "answer", functools.partial(headline_figure, answer, styles)
    sides, others = of_sides(manifest, laws)
    yield "scaling", functools.partial(scaling_figure, manifest, laws, sides, baselines)
    if others:
        yield "scaling_others", functools.partial(scaling_figure, manifest, laws, others, baselines)


def kept_answer(path: Path) -> Headline | None:
    """What is drawn of an answer that is kept, if there is one: that it is not computed anew keeps
    its seconds.
    """
    said = json.loads(path.read_text(encoding="utf-8"))["headline"] if path.exists() else None
    if not said:
        return None
    readings = []
    for reading in said["readings"]:
        ratio = Found(**{name: reading["ratio"][name] for name in NUMBERS})
        readings.append(Reading(reading["task"], reading["axis"], reading["place"], ratio))
    return Headline(
        **{
            side: Side(said[side]["label"], tuple(said[side]["names"]))
            for side in ("first", "second")
        },
        **{name: said[name] for name in ("metric", "level", "replicates", "formulas", "clock")},
        **{name: tuple(said[name]) for name in ("columns", "limits", "places", "efforts")},
        readings=tuple(readings),
        leads=(),
        cautions=(),
        baselines=tuple(Baseline(**baseline) for baseline in said["baselines"]),
    )


# --------------------------------------------------------------------------------------------------
# replays
def of_replay(folder: Path) -> Iterator[Picture]:
    """The pictures of a replay that its kept runs are enough for."""
    replay = next(replay for name, replay in REPLAYS.items() if folder.name.startswith(name))
    table = pd.read_csv(folder / "runs.csv")
    cell = table.groupby(
        ["task", "series", "shape", "grid", "trial"], dropna=False, sort=False
    ).ngroup()
    table = table.assign(arm=table["series"].str.split(" ").str[0], cell=cell)
    yield from _pictures(replay, table)


def _pictures(replay: Replay, table: pd.DataFrame) -> Iterator[Picture]:
    if replay.kind is poisson.poisson:
        for axis in curves.COUNTS:
            yield poisson.norms_picture(table, replay, axis)
    elif isinstance(replay.kind, functools.partial) and replay.kind.func is curves.curves:
        points = curves.beside(
            curves.published_points(replay, **replay.kind.keywords), table, replay.tolerance
        )
        yield curves.errors_picture(points, replay, replay.kind.keywords["x"])
    elif isinstance(replay.kind, functools.partial) and replay.kind.func is bests.bests:
        measured = bests.measured_runs(table, replay.kind.keywords["inputs"])
        yield bests.medians_picture(measured, list(dict.fromkeys(table["task"])))


def into_page(page: Path, picture: Picture) -> None:
    """Put a picture with its caption into a page, in the place of the one that is there."""
    drawn = inline_svg(picture.draw, picture.stem, picture.alt)
    figure = f"{drawn}\n<figcaption>{escape(picture.caption)}</figcaption>"
    pattern = IN_PAGE.format(stem=picture.stem)
    text, count = re.subn(
        pattern, rf"\1{MARK}\2", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert count == 1, f"{page} has {count} pictures of {picture.stem}"
    page.write_text(text.replace(MARK, figure), encoding="utf-8")


# --------------------------------------------------------------------------------------------------
# all
def write(draw: Draw, folder: Path, stem: str) -> None:
    """Write a figure, as the kinds of files that are kept of it."""
    with tempfile.TemporaryDirectory() as temporary:
        for path in write_figure(draw(), Path(temporary) / stem):
            if path.suffix == ".png" or (folder / path.name).exists():
                shutil.copyfile(path, folder / path.name)
    print(folder / stem, flush=True)


def draw_all(words: list[str]) -> None:
    """All kept figures, or those in folders whose name has one of the words."""
    kinds = ("reference", "verdicts", "replay")
    for folder in sorted(path for kind in kinds for path in (RESULTS / kind).glob("*/")):
        if words and not any(word in folder.name for word in words):
            continue
        if folder.parent.name == "replay":
            for picture in of_replay(folder):
                write(picture.draw, folder, picture.stem)
                into_page(folder / "replay.html", picture)
        elif (folder / "scaling.png").exists() and (study := study_of(folder)):
            for stem, draw in of_experiment(folder, study):
                write(draw, folder, stem)


if __name__ == "__main__":
    draw_all(sys.argv[1:])
