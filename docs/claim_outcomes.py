"""The outcomes in the table of docs/claims.md: `python docs/claim_outcomes.py` writes them anew. A test holds it so.

They are those of the kept verdicts of experiments and of the kept replays, by the number that a rule's claim begins
with.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from harness.judging.answer import largest_scales

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "claims.md"
NOT_TESTED = "not tested"
NOT_MEASURED = "not measured"  # the seconds that it is about
LINKS = "<!-- outcomes, and these links: made by docs/claim_outcomes.py -->"
PLAIN = {"convention-dependent": "depends on the count", "training-dependent": "depends on the training"}
OUTCOME = 2  # the cell of a row that has it, after the number and the claim
MOST_NAMED = 3  # rules of different outcomes that are told one by one
# What the kept runs show, where the outcomes of rules alone would mislead or there is no rule yet.
FINDINGS = {
    4: "In the replay of Fig. 3.1 (one seed, no interval, grids up to the least test error) KANs of the formula's "
    "shape have exponents of 4.4 (J0), 4.5 (exp2d), 5.8 (x·y), 6.8 (exp100d) and 3.0 (exp4d), MLPs of 0.2 to 1.5. "
    "The KAN [4,9,1] on exp4d, which has another shape, has 1.6. With searched networks the question is undecided",
    12: "It cannot be settled at these sizes, which end at 7,000 parameters. The rules ask less",
    13: "A KAN's error is lower than a spline MLP's on some tasks and higher on others",
    14: "In the replay of Fig. 3.1 the theorem's shape [4,9,1] has 380 times the error of [4,2,2,1] (best grids, "
    "L-BFGS, one seed)",
    16: "The rules about the curse itself are undecided. On a random field, which has no structure, MLPs have errors "
    "1.3 times lower with two, four and eight variables (`evening`, 1,000 equal parameters, each interval above 1)",
    17: "One spline without a hidden layer keeps what it learnt. KANs with a hidden layer forget, as MLPs do",
    20: "These networks are too small to say it of large language models",
    22: "These networks are too small to say",
    23: "It needs a GPU, which we did not have",
    24: "It needs a GPU, which we did not have",
}


class Source(NamedTuple):
    """An experiment or a replay that is kept: its name, where its verdicts are, and its rules as (claim, verdict)."""

    name: str
    address: str
    rules: list[tuple[str, str]]


def sources() -> list[Source]:
    """Every kept experiment and every kept replay that has rules, each at the scale that trained most."""
    found = []
    kept = sorted((ROOT / "results" / "verdicts").glob("*/verdicts.json"))
    for experiment in largest_scales([json.loads(path.read_text(encoding="utf-8")) for path in kept]):
        address = f"../results/verdicts/{experiment['name']}/verdicts.json"
        found.append(Source(Path(experiment["file"]).stem, address, _rules(experiment["verdicts"])))
    paths = sorted((ROOT / "results" / "replay").glob("*/replay.json"))
    replays = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    with_rules = [replay for replay in replays if replay.get("verdicts")]
    longest = {replay["place"]: replay for replay in sorted(with_rules, key=lambda one: int(one["evaluations"]))}
    for place, replay in sorted(longest.items()):
        found.append(Source(place, "../results/replay/README.md#verdicts", _rules(replay["verdicts"])))
    return found


def outcome(number: int, kept: list[Source]) -> str:
    """What was found of a claim where that needs a sentence, and what became of its rules, experiment by experiment."""
    told = []
    for source in kept:
        rules = [(claim, verdict) for claim, verdict in source.rules if _number(claim) == number]
        if rules:
            told.append(f"[{source.name}]: {_told(rules)}")
    outcomes = "; ".join(told) or NOT_TESTED
    if number not in FINDINGS:
        return outcomes
    return f"{FINDINGS[number]}. {f'Rules: {outcomes}' if told else 'No rule tests it.'}"


def written(page: str) -> str:
    """The page with the outcomes in its table made anew, and below the table the addresses that they link to."""
    kept = sources()
    lines = []
    for line in page.partition(f"\n{LINKS}")[0].split("\n"):
        if re.match(r"\| \d+ \|", line):
            cells = line.strip("| ").split(" | ")
            cells[OUTCOME] = outcome(int(cells[0]), kept)
            line = f"| {' | '.join(cells)} |"
        lines.append(line)
    addresses = [f"[{source.name}]: {source.address}" for source in kept]
    return "\n".join([*lines, LINKS, *addresses, ""])


def _rules(verdicts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found = []
    for one in verdicts:
        verdict = PLAIN.get(one["verdict"], one["verdict"]) if one["counts"] else NOT_MEASURED
        found.append((one["claim"], verdict))
    return found


def _number(claim: str) -> int | None:
    begins = re.match(r"\d+", claim)
    return int(begins[0]) if begins else None


def _told(rules: list[tuple[str, str]]) -> str:
    """One outcome once; two rules that differ by their names; of more rules, how many came out how."""
    outcomes = Counter(verdict for _, verdict in rules)
    if len(outcomes) == 1:
        return f"{rules[0][1]}{f' ({len(rules)} rules)' if len(rules) > 1 else ''}"
    if len(rules) <= MOST_NAMED:
        return ", ".join(f"“{claim.partition(': ')[2]}” {verdict}" for claim, verdict in rules)
    return ", ".join(f"{number} {verdict}" for verdict, number in outcomes.most_common())


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
