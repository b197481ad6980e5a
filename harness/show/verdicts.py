"""Verdicts in a table, on a page, and in the folder that the project keeps."""

import base64
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import whole_file
from harness.judging.answer import NOT_RUN, number_lines, verdict_words
from harness.judging.robust import robust_words
from harness.judging.versus import Versus, VersusRequest, better
from harness.judging.words import found_words
from harness.record import ClassMetrics, Metrics
from harness.show.comparison import crossover_words
from harness.show.report import template
from harness.spec import all_axes, default_count, stable_axes

FIGURE = "scaling.png"
KEPT_FILES = (FIGURE, "tuning_curves.png", "tuning_ratio.png", "tuning_curves.csv", "winners.csv")
# Of the table of runs, what verdicts hang on, beside the axes of `stable_axes`.
RUN_COLUMNS = (
    *("run_id", "task", "arm", "series", "shape", "grid", "order", "asked", "seed", "trial", "chosen", "status"),
    *("metric", "val_loss", "test_loss", *dict.fromkeys([*Metrics.model_fields, *ClassMetrics.model_fields])),
    *("evaluations", "cell", "in_window", "until_minimum", "hold_out"),
    *("won_on", "won_at_stop", "search_trials", "search_val_loss", "search_test_loss", "flops_search"),
    *("params.paper", default_count("flops_forward")),
)
README = """# Verdicts that are kept

What `harness verdicts --keep` made from the runs of this project: [verdicts.html](verdicts.html),
[verdicts.json](verdicts.json) with every number, and of each experiment its verdicts, its runs (`runs.csv`, six digits)
and its figures. Rules are those that a plan froze; where an earlier plan was replaced, a note says in what. Of each
convention: the outcome, and on how many of the tasks the claim is supported; a dash where the rule is not about it.
"""


def verdicts_table(answers: Sequence[dict[str, Any]]) -> Table:
    """A row a rule (of `answer_json`): the claim and its rule, the numbers, the verdict, where it is from."""
    table = Table(title="verdicts, by the rules of each plan", title_justify="left", show_lines=True)
    table.add_column("claim: rule", ratio=3)
    table.add_column("numbers", ratio=3)
    table.add_column("verdict")
    table.add_column("experiment, commit", overflow="fold", ratio=1)
    for answer in answers:
        for verdict in answer["verdicts"]:
            origin = "\n".join([answer["name"], *(commit[:9] for commit in answer["commits"])])
            judged = verdict["verdict"] != NOT_RUN  # of others the page has the rule
            level = verdict["interval_level"]
            corrected = judged and level != verdict["level"]
            told = f"{verdict['rule']}{f' (each at {100 * level:.4g} %)' if corrected else ''}"
            claim = f"{verdict['claim']}:\n{told}" if judged else verdict["claim"]
            table.add_row(claim, "\n".join(number_lines(verdict)) or answer["why"], verdict_words(verdict), origin)
    return table


def summary_table(answers: Sequence[dict[str, Any]]) -> Table:
    """A row a rule that was judged: its outcome and supporting tasks under each convention, and the verdict."""
    table = Table(title="in short: outcome, and on how many tasks it is supported", title_justify="left")
    for name in ("claim", *_heads().values(), "verdict"):
        table.add_column(name, ratio=2 if name == "claim" else 1)
    for verdict in (one for answer in answers for one in answer["verdicts"] if one["verdict"] != NOT_RUN):
        table.add_row(*_summary(verdict))
        for row in _under_rows(verdict):
            table.add_row(*row, style="dim")
    return table


def versus_table(asked: VersusRequest, found: Sequence[Versus]) -> Table:
    """A row a task and convention: where it was read, the ratio of losses, who is better, what equal losses cost."""
    first, second = asked.first, asked.second
    budget = "at the largest common size" if asked.at is None else f"where {first} has {asked.axis} {asked.at:,.6g}"
    title = f"test loss of {second} / {first} at equal size, {budget}; {asked.level:.0%} intervals over seeds"
    table = Table(title=title, title_justify="left")
    table.add_column("task")
    table.add_column("equal in", overflow="fold")
    for name in ("size", f"test loss {second} / {first}"):
        table.add_column(name, justify="right")
    table.add_column("better")
    table.add_column(f"size {second} / {first} at equal loss", justify="right")
    for one in found:
        size = f"{one.ratio.at:,.4g}" if one.ratio.at is not None else "–"
        cost = found_words(one.cost) + (f" at {one.cost.at:.3g}" if one.cost.at is not None else "")
        words = (size, found_words(one.ratio), better(one.ratio, first, second), cost)
        table.add_row(one.task, one.convention, *words)
    return table


def versus_sentences(asked: VersusRequest, found: Sequence[Versus], absent: Sequence[str]) -> Iterator[str]:
    """Crossovers as sets, reasons of refusals, and what is not measured."""
    for one in found:
        where = f"{one.task}, {one.convention}"
        if one.crossover and one.crossover.searched:
            yield f"crossover, {where}: {crossover_words(one.crossover, asked.first, asked.second)}"
    yield from _refusals("ratio", found, [one.ratio.refused for one in found])
    yield from _refusals("cost", found, [one.cost.refused for one in found])
    if absent:
        yield f"not measured: {', '.join(absent)}; `harness bench FILE` measures seconds"


def _refusals(what: str, found: Sequence[Versus], refused: Sequence[str | None]) -> Iterator[str]:
    """A line a reason, with all tasks and conventions that it is of."""
    places: dict[str, list[str]] = {}
    for one, reason in zip(found, refused, strict=True):
        if reason:
            places.setdefault(reason, []).append(f"{one.task} {one.convention}")
    for reason, own in places.items():
        yield f"no {what}, {', '.join(own)}: {reason}"


def answer_sentences(answer: dict[str, Any]) -> list[str]:
    """What to know of an experiment's verdicts besides, and the next move."""
    said = [f"{answer['name']}: {note}" for note in answer["notes"]]
    if answer["why"]:
        said.append(f"{answer['name']}: {answer['why']}; `{answer['command']}`")
    return said


def write_verdicts(answers: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write `verdicts.html`, with the figures in the experiments' folders, and `verdicts.json` into `folder`."""
    pictures = {answer["name"]: _picture(folder / answer["name"] / FIGURE) for answer in answers}
    return _write(answers, folder, pictures)


def _write(answers: Sequence[dict[str, Any]], folder: Path, pictures: Mapping[str, str | None]) -> list[Path]:
    """The page and the numbers; `pictures` are what the page shows of each experiment, as addresses."""
    text = template("verdicts.html").render(
        answers=answers,
        figures=pictures,
        number_lines=number_lines,
        verdict_words=verdict_words,
        columns=_heads(),
        outcome=_outcome,
        under_rows=_under_rows,
        concluded=_concluded,
    )
    data = json.dumps({"experiments": list(answers)}, indent=1, allow_nan=False) + "\n"
    paths = [folder / "verdicts.html", folder / "verdicts.json"]
    for path, content in zip(paths, (text, data), strict=True):
        with whole_file(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return paths


def _picture(path: Path) -> str | None:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}" if path.exists() else None


def keep_verdicts(made: Sequence[tuple[dict[str, Any], pd.DataFrame]], results: Path, kept: Path) -> Path:
    """Copy the verdicts of experiments, with the tables of their runs, into `kept`, in place of earlier ones of those.

    The page, the JSON and the README there are of all that is kept.
    """
    for answer, table in made:
        target = kept / answer["name"]
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        if "won_under" in table:  # of other ways of searching winners.csv has what was confirmed
            table = table[table["won_under"].isna()]
        wanted = dict.fromkeys((*RUN_COLUMNS, *stable_axes(), "seconds_on"))
        columns = [name for name in wanted if name in table and table[name].notna().any()]
        table[columns].to_csv(target / "runs.csv", index=False, float_format="%.6g")
        (target / "verdicts.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
        for made_file in (results / answer["name"]).iterdir():
            if made_file.name in KEPT_FILES or (made_file.suffix == ".png" and made_file.name.startswith("compare_")):
                shutil.copyfile(made_file, target / made_file.name)
    answers = [_kept(path) for path in sorted(kept.glob("*/verdicts.json"))]
    names = [answer["name"] for answer in answers]
    _write(answers, kept, {name: f"{name}/{FIGURE}" if (kept / name / FIGURE).exists() else None for name in names})
    with whole_file(kept / "README.md") as path:
        path.write_text(README + "".join(_section(answer) for answer in answers), encoding="utf-8")
    return kept


def _kept(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    except ValueError as error:
        raise HarnessError(f"{path} is damaged ({error}); remove its folder, and keep it again", INCOMPLETE) from None


def _section(answer: dict[str, Any]) -> str:
    """An experiment in Markdown: its question, and a row a rule."""
    where = f"[{answer['name']}]({answer['name']}/verdicts.json)"
    commits = ", ".join(commit[:9] for commit in answer["commits"])
    runs = f"{answer['runs']:,} runs, {answer['diverged']} diverged"
    said = "".join(f" {note[:1].upper()}{note[1:]}." for note in answer["notes"])
    return f"\n## {answer['question']}\n\n{where}: {runs}; {commits}.{said}\n\n" + "\n".join(_markdown(answer)) + "\n"


def _markdown(answer: dict[str, Any]) -> list[str]:
    heads = ("claim", *_heads().values(), "verdict")
    rows = [heads, ("---",) * len(heads)]
    for verdict in answer["verdicts"]:
        claim, *cells, words = _summary(verdict)
        rows += [(claim, *cells, f"**{words}**"), *_under_rows(verdict)]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]


def _summary(verdict: dict[str, Any]) -> tuple[str, ...]:
    """The claim, what it is under each convention, and the verdict."""
    return (verdict["claim"], *(_outcome(verdict, convention) for convention in _heads()), _concluded(verdict))


def _under_rows(verdict: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row for each other way of searching: its name, what the claim is under each convention, and what it says."""
    rows = []
    for one in verdict.get("under", ()):
        cells = [_outcome({"not_measured": [], **one}, convention) for convention in _heads()]
        rows.append((f"… under {one['name']}", *cells, "far worse" if one["far_worse"] else one["conclusion"]))
    return rows


def _heads() -> dict[str, str]:
    """What stands over the column of each convention of a stable verdict."""
    known = all_axes()
    return {name: known[name].head for name in stable_axes()}


def _concluded(verdict: dict[str, Any]) -> str:
    robust = robust_words(verdict)
    return f"{verdict['verdict']}{', ' if robust else ''}{robust}"


def _outcome(verdict: dict[str, Any], convention: str) -> str:
    """`supported 3/3`, with how many tasks are against it where some are."""
    if convention in verdict["not_measured"]:
        return "not measured"
    for count in verdict["counts"]:
        if count["convention"] == convention:
            against = f", {count['refuted']} against" if count["refuted"] else ""
            return f"{count['outcome']} {count['supported']}/{count['tasks']}{against}"
    return "–"
