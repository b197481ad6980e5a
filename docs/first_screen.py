"""What the README shows of kept results; `python docs/write.py` writes it anew.

Two blocks: what the quickstart prints, and what replicated searches of toy functions found.
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from harness.base.formats import human
from harness.base.reasons import Refusal
from harness.comparison.replicates import Found
from harness.judging.headline import main_headline
from harness.judging.judge import judge_all
from harness.judging.readings import with_readings
from harness.judging.winners import reported
from harness.laws import Caution
from harness.show.tables.headline import console_lines, lead_words
from harness.spec.manifest import read_manifest

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "results" / "reference" / "quickstart"
KEPT = ROOT / "results" / "verdicts"
EFFORTS = {"toys-short": (1, 32), "toys-evening": (16,)}  # of kept answers, in runs a size
FORMULAS = {"j0": "J0(20x)", "exp2d": "exp(sin πx + y²)", "xy": "x·y", "exp4d": "of four variables"}
PARAMS, DENSE = "params.trainable", "flops_train.shared_dense"


def answer() -> str:
    """What the quickstart prints, from its kept runs: who is ahead, exponents, and the verdict."""
    manifest, runs = read_manifest(QUICKSTART), pd.read_csv(QUICKSTART / "runs.csv")
    every = with_readings(runs, pd.read_csv(QUICKSTART / "readings.csv.xz"))
    table = reported(manifest, every)
    lines = console_lines(
        main_headline(manifest, table, every), judge_all(manifest, table, every), []
    )
    errors = max(number for number, line in enumerate(lines) if line.startswith("  test RMSE"))
    exponents, efforts = (
        [number for number, line in enumerate(lines) if word in line]
        for word in ("Exponent by", " by runs a size: ")
    )
    verdict = next(number for number, line in enumerate(lines) if line.startswith("Verdict"))
    of_laws = lines[exponents[0] : efforts[0]]
    return "\n".join(["```", *lines[: errors + 2], "…", *of_laws, "…", lines[verdict], "```"])


def searched() -> str:
    """Who leads on the toys at their largest size: a row a training, count and effort, a column a
    toy.
    """
    rows = [["at equal", "runs a size", *FORMULAS.values()], ["---"] * (2 + len(FORMULAS))]
    for name in EFFORTS:
        kept = json.loads((KEPT / name / "answer.json").read_text(encoding="utf-8"))
        rows += _rows(name, kept["headline"], kept["verdicts"][0]["cap"][DENSE])
    how = (
        "**Toy functions: whose test RMSE is lower, how many times?** (11/16: KANs win 11 of "
        "16 searches)"
    )
    return "\n".join([how, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _rows(name: str, headline: dict[str, Any], cap: float) -> list[list[str]]:
    """The rows of one answer at its largest size, whose runs may each spend `cap` FLOPs: a row an
    effort.
    """
    largest = headline["places"][-1]
    by_effort = {(one["runs"], one["task"]): one["ratio"] for one in headline["efforts"]}
    at_largest = (
        one for one in headline["readings"] if (one["axis"], one["place"]) == (PARAMS, largest)
    )
    size = human(next(at_largest)["ratio"]["at"])
    level = f"{100 * headline['level']:.3g} % intervals"
    words = f"{size} parameters, each run at most {human(cap)} training FLOPs (dense); {level}"
    rows = []
    for runs in EFFORTS[name]:
        rows.append([words, str(runs), *(_lead(by_effort[runs, task]) for task in FORMULAS)])
        words = "the same"
    return rows


def _lead(ratio: dict[str, Any]) -> str:
    return f"{lead_words(_found(ratio), 'KAN', 'MLP')}, {ratio['won']}/{ratio['replicates']}"


def _found(kept: dict[str, Any]) -> Found:
    refusals = tuple(Refusal(**reason) for reason in kept["refusals"])
    cautions = tuple(Caution(**caution) for caution in kept["cautions"])
    return Found(kept["estimate"], kept["low"], kept["high"], refusals, cautions=cautions)


def written(readme: str) -> str:
    """The README with its blocks made anew. Comments mark where each begins and ends."""
    for name, block in {"answer": answer(), "searched": searched()}.items():
        begin, end = f"<!-- {name}: made by docs/first_screen.py -->\n", "\n<!-- end -->"
        readme = re.sub(
            f"{begin}.*?{end}", lambda _, text=f"{begin}{block}{end}": text, readme, flags=re.DOTALL
        )
    return readme
