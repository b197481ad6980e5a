"""What the command line says of families is what they are."""

import re

from click.testing import CliRunner

from harness.cli import main
from harness.families import FAMILIES


def test_every_family_is_listed_with_its_fields():
    said = CliRunner().invoke(main, ["list", "families"], env={"COLUMNS": "400"}).output
    words = re.sub(r"[,;=│|]", " ", said).split()
    begins = [words.index(name) for name in FAMILIES]
    assert begins == sorted(begins)
    for (name, architecture), begin, end in zip(FAMILIES.items(), begins, [*begins[1:], len(words)], strict=True):
        assert set(architecture.model_fields) - {"family"} <= set(words[begin:end]), name
    assert "prelu" in said
    assert "true|false|frozen" in said
