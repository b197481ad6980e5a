"""The golden values (`golden.json` never changes, `golden/` by commits of their own), and how they
are compared.
"""

import difflib
import hashlib
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FIXED = HERE / "golden.json"
TEXTS = HERE / "golden"
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?")


def canonical(data: Any) -> str:
    """Plain data in one spelling, whatever `harness` takes for canonical."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hashed(data: Any) -> str:
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def fixed(kind: str) -> dict[str, Any]:
    """The golden ids, hashes and counts of a kind."""
    return json.loads(FIXED.read_text(encoding="utf-8")).get(kind, {}) if FIXED.exists() else {}


def text(name: str) -> str:
    """A golden text; none is an empty one."""
    path = TEXTS / f"{name}.txt"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def difference(golden: str, made: str) -> str:
    """A unified diff of lines; empty where no more than the last digits of decimals differ."""
    old, new = golden.splitlines(), made.splitlines()
    if len(old) == len(new):
        new = [before if _alike(before, now) else now for before, now in zip(old, new, strict=True)]
    return "\n".join(difflib.unified_diff(old, new, "golden", "now", lineterm="", n=1))


def _alike(before: str, now: str) -> bool:
    """Whether lines differ in nothing but decimals, by a unit of the last digit: fits end in a
    machine's rounding.
    """
    same_words = NUMBER.split(before) == NUMBER.split(now)
    return same_words and all(map(_close, NUMBER.findall(before), NUMBER.findall(now)))


def _close(before: str, now: str) -> bool:
    if before == now:
        return True
    if not all("." in number or "e" in number for number in (before, now)):
        return False
    numbers = [Decimal(number.replace(",", "")) for number in (before, now)]
    unit = max(Decimal(1).scaleb(number.as_tuple().exponent) for number in numbers)
    return abs(numbers[0] - numbers[1]) <= unit
