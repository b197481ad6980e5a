"""The first screen of the README, made from kept verdicts: `python docs/first_screen.py` writes it anew.

A sentence, a figure and a table, all of one experiment. A test holds that the README shows what this makes.
"""

import json
import re
from pathlib import Path
from typing import Any

from harness.spec import read_experiment

ROOT = Path(__file__).parents[1]
FILE, SCALE = "searched_toys", "short"
NAME = f"{FILE}-{SCALE}"
KEPT = ROOT / "results" / "verdicts"
BEGIN, END = "<!-- made by docs/first_screen.py -->", "<!-- end -->"
FORMULAS = {"j0": "J0(20x)", "exp2d": "exp(sin(πx) + y²)", "xy": "x·y"}
ALT = (
    "How many times lower one side's test error is than the other's, against the number of trials that both sides had, "
    "on toy functions at three sizes"
)
COUNTS = {"params.trainable": "At equal parameters", "flops_train.shared_dense": "At equal training FLOPs"}


def first_screen() -> str:
    """The block between the marks, from the kept verdicts of the experiment."""
    answer = json.loads((KEPT / NAME / "verdicts.json").read_text(encoding="utf-8"))
    verdict = answer["verdicts"][0]
    lines = [f"{words}: {_leads(verdict, count)}." for count, words in COUNTS.items()]
    experiment = read_experiment(ROOT / "experiments" / f"{FILE}.yaml", SCALE)
    assert experiment.search is not None
    trials, seeds = experiment.search.trials, len(experiment.seeds)
    sentence = (
        f"**Searched equally, who is ahead?** {' '.join(lines)} These are ratios of test errors at the largest equal "
        f"size, with {100 * verdict['interval_level']:.3g} % intervals over {seeds} fresh seeds."
    )
    caption = (
        f"*How the answer changes with tuning. Each side had {trials} trials at each size: activations, depths, "
        "orders, grids, initial scales, and L-BFGS or Levenberg-Marquardt, at equal training FLOPs a trial "
        f"([{FILE}.yaml](experiments/{FILE}.yaml), [docs/search.md](docs/search.md)). Lines: what to expect after k "
        "trials. Marks at the right: the winners of all trials, trained again on fresh seeds.*"
    )
    legend = (
        "*Columns: what is made equal. A cell has the outcome, and on how many functions the claim is supported. Rows "
        "below a claim: the same claim when the search is done in another way.*"
    )
    figure = f"![{ALT}](results/verdicts/{NAME}/tuning_ratio.png)"
    table = "\n".join(_table(answer["question"]))
    return "\n\n".join([f"{BEGIN}\n{sentence}", figure, caption, table, f"{legend}\n{END}"])


def _leads(verdict: dict[str, Any], count: str) -> str:
    """Who is ahead on each task under a count, and by how much."""
    found = [one for one in verdict["numbers"] if one["convention"] == count]
    return "; ".join(f"on {FORMULAS.get(one['unit'], one['unit'])} {_lead(one['found'])}" for one in found)


def _lead(found: dict[str, Any]) -> str:
    if found["refused"]:
        return "it cannot be said"
    ends = sorted((found["low"], found["high"]))
    if ends[0] > 1:
        return f"KANs by a factor of {found['estimate']:.2g} ({ends[0]:.3g} to {ends[1]:.3g})"
    if ends[1] < 1:
        return f"MLPs by a factor of {1 / found['estimate']:.2g} ({1 / ends[1]:.3g} to {1 / ends[0]:.3g})"
    return f"nobody (MLP / KAN {found['estimate']:.2g}, {ends[0]:.2g} to {ends[1]:,.2g})"


def _table(question: str) -> list[str]:
    """The experiment's rows of the kept table."""
    page = (KEPT / "README.md").read_text(encoding="utf-8")
    section = page[page.index(f"## {question}") :].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")]


def written(readme: str) -> str:
    """The README with the block made anew."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: first_screen(), readme, flags=re.DOTALL)


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
