"""Which code trained the records of a plan, by the hash of the source that computes
(`base.provenance.source_hash`).

Commits with one hash are one code. All records of a plan are of the code that trained first, unless
its folder holds the file `mixed-code`: a user who gave `--mixed-code` takes records of others too,
and each answer says so. Records of before that hash existed say no code, and are taken.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import write_whole
from harness.base.provenance import source_hash
from harness.record.schema import Provenance

MIXED_CODE = "mixed-code"
ALL_BY_ONE = (
    "train all by one code in another results folder, or take both: `--mixed-code` "
    "of run, "
    "submit or verdicts"
)
BY_TIME = re.compile(r'"started_at": ?"([^"]*)".*"source_hash": ?"([0-9a-f]{12})"', re.DOTALL)


def texts(identities: Iterable[str], folder: Path) -> Iterator[str]:
    """The records that these runs have in `folder`, as they are written."""
    for path in (folder / f"{identity}.json" for identity in identities):
        if path.exists():
            yield path.read_text(encoding="utf-8", errors="replace")


def first_code(texts: Iterable[str]) -> str | None:
    """The code that trained first of what the texts of some records say; None where none says
    any.
    """
    return min(
        (found.groups() for text in texts if (found := BY_TIME.search(text))), default=("", None)
    )[1]


def takes_mixed(plan: Path) -> bool:
    """Whether the user takes records of several codes for the plan in this folder."""
    return (plan / MIXED_CODE).exists()


def take_mixed(plan: Path) -> None:
    """Take records of several codes for this plan from now on."""
    plan.mkdir(parents=True, exist_ok=True)
    write_whole(plan / MIXED_CODE, "--mixed-code was given\n")


def check_one_code(made: Iterable[Provenance], plan: Path) -> None:
    """A HarnessError unless one code trained these records of the plan in this folder, or it takes
    several.
    """
    said = sorted((where.started_at, where.source_hash) for where in made if where.source_hash)
    others = Counter(code for _, code in said if code != said[0][1])
    if others and not takes_mixed(plan):
        first = (
            f"{len(said) - others.total()} records of {plan} were trained by the code {said[0][1]}"
        )
        more = ", ".join(f"{number} by {code}" for code, number in others.items())
        raise HarnessError(f"{first}, {more}; {ALL_BY_ONE}", INCOMPLETE)


def check_goes_on(identities: Iterable[str], folder: Path, plan: Path) -> None:
    """A HarnessError if the code here would go on with a plan whose first record in `folder` is of
    other code.
    """
    first = first_code(texts(identities, folder))
    if first not in (None, source_hash()) and not takes_mixed(plan):
        problem = (
            f"the first record of {plan} was trained by the code {first}, and the code here "
            f"is {source_hash()}"
        )
        raise HarnessError(f"{problem}; {ALL_BY_ONE}", INCOMPLETE)


def code_notes(made: Iterable[Provenance]) -> list[str]:
    """What to know of the code that trained some records: several of them, none that is known, or
    none committed.
    """
    where = list(made)
    codes = Counter(each.source_hash for each in where if each.source_hash)
    unknown, dirty = len(where) - codes.total(), sum(bool(each.dirty) for each in where)
    notes = []
    if len(codes) > 1:
        by_code = ", ".join(f"{number:,} by {code}" for code, number in codes.most_common())
        notes.append(f"several codes trained these runs: {by_code} (`--mixed-code`)")
    if unknown:
        notes.append(
            f"{unknown:,} of {len(where):,} records do not say which code computed them: they "
            "are older"
        )
    if dirty:
        notes.append(
            f"{dirty:,} of {len(where):,} records come from a checkout with changes that were not "
            "committed"
        )
    return notes
