"""What the command line says of families is what they are."""

from click.testing import CliRunner

from harness.cli import main
from harness.families import FAMILIES


def test_match_help_lists_every_family_with_its_fields():
    """Every field of every family stands in the paragraph of its family."""
    said = CliRunner().invoke(main, ["match", "--help"]).output.partition("Families and their fields")[2]
    words = said.partition("Options:")[0].replace(",", " ").replace(";", " ").replace("=", " ").split()
    begins = [words.index(name) for name in FAMILIES]
    assert begins == sorted(begins)
    for (name, architecture), begin, end in zip(FAMILIES.items(), begins, [*begins[1:], len(words)], strict=True):
        assert set(architecture.model_fields) - {"family"} <= set(words[begin:end]), name
    assert "prelu" in said
    assert "true|false|frozen" in said
