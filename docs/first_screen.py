"""What the README shows of kept results: `python docs/first_screen.py` writes it anew. Tests hold that it is so.

Two blocks: what the quickstart prints, and what was found with searched toys.
"""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from harness.base.formats import human
from harness.judging.headline import main_headline
from harness.judging.judge import judge_all
from harness.judging.winners import reported
from harness.show.tables.headline import console_lines
from harness.spec import read_manifest

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "results" / "reference" / "quickstart"
KEPT = ROOT / "results" / "verdicts"
SEARCHED = "per_flop_toys-evening"  # judged by rules 0.5: of a search of 64 settings a side, with these limits
SIZE, FLOPS, SETTINGS = 400, 5e10, 64
FORMULAS = {"j0": "J0(20x)", "exp2d": "exp(sin πx + y²)", "xy": "x·y", "exp4d": "of four variables"}
COUNTS = {
    "params.trainable": "parameters",
    "flops_train.shared_dense": "training FLOPs (dense)",
}
POOLED = {
    "toys_pooled": "FLOPs, winners of three searches",
    "toys_pooled-longer": "the same, 5 times the FLOPs",
}


def answer() -> str:
    """The last lines of the quickstart, from its kept runs."""
    manifest, runs = read_manifest(QUICKSTART), pd.read_csv(QUICKSTART / "runs.csv")
    table = reported(manifest, runs)
    closing = [f"{len(manifest.run_ids()):,} runs. Laws, codes and checks: the report, or --explain."]
    closing.append("Report: results/quickstart/report.html")
    lines = console_lines(main_headline(manifest, table, runs), judge_all(manifest, table), closing)
    return "\n".join(["```", *lines, "```"])


def searched() -> str:
    """Who leads on the searched toys: a row a count, a column a toy."""
    kept = json.loads((KEPT / SEARCHED / "verdicts.json").read_text(encoding="utf-8"))
    verdict = kept["verdicts"][0]
    rows = [["at equal", *FORMULAS.values()], ["---"] * (1 + len(FORMULAS))]
    for count, words in COUNTS.items():
        found = {one["unit"]: one for one in verdict["numbers"] if one["convention"] == count}
        rows.append([words, *(_lead(found[unit]) for unit in FORMULAS)])
    for name, words in POOLED.items():
        (pooled,) = json.loads((KEPT / name / "verdicts.json").read_text(encoding="utf-8"))["verdicts"]
        found = {one["unit"]: one for one in pooled["numbers"]}
        rows.append([words, *(_lead(found[unit]) for unit in FORMULAS)])
    how = (
        "**Toy functions, both sides searched: how many times lower is the test RMSE at "
        f"{human(SIZE)} parameters, or {human(FLOPS)} training FLOPs?** "
        f"({SETTINGS} settings a side; {100 * verdict['interval_level']:.3g} % intervals over all "
        f"looks, {_seeds_words(verdict['numbers'])} fresh seeds)"
    )
    return "\n".join([how, "", *(f"| {' | '.join(row)} |" for row in rows)])


def _seeds_words(numbers: list[dict[str, Any]]) -> str:
    """`12`, or `5 to 12` where some numbers were read again after fewer seeds."""
    seeds = sorted({(number.get("later") or number)["look"]["seeds"] for number in numbers})
    return str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"


def _lead(number: dict[str, Any]) -> str:
    """Who is ahead over all seeds that ran: where an early look decided, what the last one found."""
    found = number["later"]["found"] if number.get("later") else number["found"]
    low, high, ratio = found["low"], found["high"], found["estimate"]
    if low > 1:
        return f"KAN {human(ratio, 2)}x [{human(low, 2)}, {human(high, 2)}]"
    if high < 1:
        return f"MLP {human(1 / ratio, 2)}x [{human(1 / high, 2)}, {human(1 / low, 2)}]"
    return "undecided"


def written(readme: str) -> str:
    """The README with its blocks made anew. Comments mark where each begins and ends."""
    for name, block in {"answer": answer(), "searched": searched()}.items():
        begin, end = f"<!-- {name}: made by docs/first_screen.py -->\n", "\n<!-- end -->"
        readme = re.sub(f"{begin}.*?{end}", lambda _, text=f"{begin}{block}{end}": text, readme, flags=re.DOTALL)
    return readme


if __name__ == "__main__":
    path = ROOT / "README.md"
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
