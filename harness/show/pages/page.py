"""What pages have in common: templates, tables and pictures inside them, and where their runs were
made.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.base.files import whole_file
from harness.base.formats import human, plural, without_html
from harness.judging.verdict import power_words, verdict_words
from harness.record.schema import Provenance
from harness.show.codes import CODES, linked
from harness.show.tables.table import Table, pieces
from harness.show.tables.verdicts import numbers_table, rules_table
from harness.spec.counts import axis_words

ENVIRONMENT = Environment(
    loader=PackageLoader("harness.show.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def to_html(table: Table) -> Markup:
    """The table as HTML, without its title and introduction."""
    return Markup(ENVIRONMENT.get_template("table.html").render(table=table))


ENVIRONMENT.filters |= {
    "code": lambda words: re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(words))),
    "codes": lambda body: {name: code for name, code in CODES.items() if f'href="#{name}"' in body},
    "sections": lambda body: re.findall(r'<section id="([^"]+)" data-title="([^"]+)">', body),
    "linked": linked,
    "human": human,
    "pieces": lambda cell: pieces(cell, human),
    "sentence": lambda words: words[0].upper() + words[1:],
    "plural": plural,
    "without_html": without_html,
    "axis_words": axis_words,
    "in_full": lambda model: json.dumps(
        model.model_dump(mode="json"), indent=1, ensure_ascii=False
    ),
    "table": to_html,
    "verdict_words": verdict_words,
    "power_words": power_words,
    "rules_table": rules_table,
    "numbers_table": numbers_table,
}


def write_html(path: Path, template: str, **content: Any) -> Path:
    """Write a page by a template of the package; a name that the template uses and is not given is
    an error.
    """
    text = ENVIRONMENT.get_template(template).render(**content)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def provenance(places: Iterable[Provenance]) -> dict[str, Any]:
    """What records say of where they were made; seconds are counted once a pack.

    Commits with whether they were changed since, machines (host, device, threads of a pack) and
    versions each have their number of runs, most first.
    """
    commits, machines, versions = Counter[Any](), Counter[Any](), Counter[str]()
    packs = set()
    for place in places:
        commits[place.commit or "not from a git checkout", bool(place.dirty)] += 1
        machines[place.host, place.device, place.threads] += 1
        versions[", ".join(f"{name} {number}" for name, number in place.versions.items())] += 1
        packs.add((place.host, place.started_at, place.pack_seconds, place.pack_cpu_seconds))
    _, starts, seconds, cpu_seconds = zip(*packs, strict=True)
    return {
        "commits": commits.most_common(),
        "machines": machines.most_common(),
        "versions": versions.most_common(),
        "first": min(starts),
        "last": max(starts),
        "packs": len(packs),
        "seconds": f"{sum(seconds):,.0f}",
        "cpu_seconds": f"{sum(cpu_seconds):,.0f}",
    }
