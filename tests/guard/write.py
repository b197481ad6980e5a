"""`python -m tests.guard.write` writes the guard anew, says what changed, and takes some minutes.

    python -m tests.guard.write 'toys short'     # makes this plan alone, and replaces its entry

golden.json    ids, hashes and counts, which never change: if one does, nothing is written. A new
experiment: its plan. golden/        texts (schema, help, answers, pages): what is meant to change
goes into a commit that says so. results/       the pages there that are made from kept numbers
follow their templates, as texts do. trained/       experiments that train in a second; `records/`
has what they came to. Neither is ever written again. made/          experiments of which records
are made up, for pages about laws, verdicts and searches. queued/        a job as it was sent off
before, which has to train still.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from tests.guard import contents
from tests.guard.golden import FIXED, TEXTS, difference, fixed

MOST_LINES = 20  # of a difference that are shown


def main(replaced: Sequence[str]) -> None:
    """Write what is new or a changed text; exit 1 if an id, hash or count is another one than
    before.
    """
    known = [one.name for one in contents.experiments()]
    if unknown := sorted(set(replaced) - set(known)):
        sys.exit(
            f"no such plans: {', '.join(unknown)}; a plan is a file and its scale, such as "
            "'toys short'"
        )
    if replaced:
        changed = []
        _write_golden(
            {"plans": {**fixed("plans"), **contents.plans(replaced)}, "targets": fixed("targets")}
        )
    else:
        changed = _write_fixed({"plans": contents.plans(known), "targets": contents.targets()})
    _write_texts({"schema": contents.schema(), "help": contents.helps()})
    for made in (contents.commands_and_pages, contents.more_pages):
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            _write_texts(made())
    with tempfile.TemporaryDirectory() as folder:
        _write_texts(contents.kept_pages(Path(folder)), contents.ROOT / "results", ending="")
    if changed:
        sys.exit(
            "these never change: "
            + ", ".join(changed)
            + "; nothing was written of them (see the file's head)"
        )


def _write_fixed(found: dict[str, dict[str, Any]]) -> list[str]:
    """Add what is new, drop what is no more; the names of entries that are different, which
    stay.
    """
    kept, changed = {}, []
    for kind, entries in found.items():
        before = fixed(kind)
        changed += [name for name in entries if name in before and before[name] != entries[name]]
        for name in sorted(entries.keys() ^ before.keys()):
            print(f"{'new' if name in entries else 'gone'}: {kind}, {name}")
        kept[kind] = {name: before.get(name, entry) for name, entry in entries.items()}
    _write_golden(kept)
    return changed


def _write_golden(entries: dict[str, dict[str, Any]]) -> None:
    FIXED.write_text(
        json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _write_texts(found: dict[str, str], folder: Path = TEXTS, ending: str = ".txt") -> None:
    """Write those that have changed, and say of each how."""
    folder.mkdir(exist_ok=True)
    for name, made in found.items():
        path = folder / f"{name}{ending}"
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if changes := difference(before, made).splitlines():
            left = len(changes) - MOST_LINES
            more = [f"… {left} lines more"] if left > 0 else []
            print(
                f"changed: {folder.name}/{path.relative_to(folder)}",
                *changes[:MOST_LINES],
                *more,
                sep="\n",
            )
            path.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
