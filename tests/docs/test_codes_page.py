"""Every code that a table, a page or a terminal can show has its words, of which docs/codes.md is made."""

import ast
import re
from pathlib import Path

from harness.show.codes import CODE_KINDS, CODES

ROOT = Path(__file__).parents[2]
PLACES = (
    "laws/*",
    "comparison/*",
    "record/elsewhere",
    "judging/**/*",
    "show/figures/*",
    "show/pages/*",
    "show/tables/*",
)


def codes_in_the_program() -> set[str]:
    """Every word in capitals that is a text of what analyses and shows, or begins one (`SEEDS: one seed of both`)."""
    words = set()
    for path in (path for place in PLACES for path in (ROOT / "harness").glob(f"{place}.py")):
        texts = [node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)]
        found = [re.match(r"([A-Z][A-Z0-9_]{3,})(: |$)", text) for text in texts if isinstance(text, str)]
        words |= {one[1] for one in found if one}
    return words


def test_every_code_has_its_words_and_no_other_has():
    """A new code needs its sentences, and a code that is gone leaves none."""
    assert set(CODES) == codes_in_the_program()
    assert all(code.kind in CODE_KINDS and all(part.endswith(".") for part in code[1:]) for code in CODES.values())
