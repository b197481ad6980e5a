"""The outcomes in the table of docs/claims.md: `python docs/claim_outcomes.py` writes them anew. A test holds it so.

They are those of the kept verdicts of experiments and of the kept replays, by the number that a rule's claim begins
with.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from harness.judging.foretold import largest_scales
from harness.show.pages.verdicts import kept_headings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "claims.md"
NOT_TESTED = "not tested"
NOT_MEASURED = "not measured"  # the seconds that it is about
LINKS = "<!-- outcomes, and these links: made by docs/claim_outcomes.py -->"
PLAIN = {"convention-dependent": "depends on the count", "training-dependent": "depends on the training"}
OUTCOME = 2  # the cell of a row that has it, after the number and the claim
MOST_NAMED = 2  # rules of different outcomes that are told one by one


class Source(NamedTuple):
    """An experiment or a replay that is kept: its name, where its verdicts are, and its rules as (claim, verdict)."""

    name: str
    address: str
    rules: list[tuple[str, str]]


def sources() -> list[Source]:
    """Every kept experiment and every kept replay that has rules, each at the scale that trained most."""
    found = []
    kept = json.loads((ROOT / "results" / "verdicts" / "verdicts.json").read_text(encoding="utf-8"))
    headings = dict(zip([one["name"] for one in kept["experiments"]], kept_headings(kept["experiments"]), strict=True))
    for experiment in largest_scales(kept["experiments"]):
        address = f"../results/verdicts/README.md#{_anchor(headings[experiment['name']])}"
        found.append(Source(Path(experiment["file"]).stem, address, _rules(experiment["verdicts"])))
    paths = sorted((ROOT / "results" / "replay").glob("*/replay.json"))
    replays = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    with_rules = [replay for replay in replays if replay.get("verdicts")]
    longest = {replay["place"]: replay for replay in sorted(with_rules, key=lambda one: int(one["evaluations"]))}
    for place, replay in sorted(longest.items()):
        found.append(Source(place, "../results/replay/README.md#verdicts", _rules(replay["verdicts"])))
    return found


def outcome(number: int, kept: list[Source]) -> str:
    """What became of the rules of a claim, experiment by experiment."""
    told = []
    for source in kept:
        rules = [(claim, verdict) for claim, verdict in source.rules if _number(claim) == number]
        if rules:
            told.append(f"[{source.name}]: {_told(rules)}")
    return "; ".join(told) or NOT_TESTED


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


def _anchor(heading: str) -> str:
    """What a heading is called in a link, on GitHub and on the site."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
