"""Commands of `harness`, called in this process."""

from click.testing import CliRunner, Result

from harness.cli import main


def invoke(*words: object) -> Result:
    """What a command does; what it raises, but for its exit, is raised here."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def said(*words: object, exit_code: int = 0) -> str:
    """All that a command prints, which must end with this exit code."""
    done = invoke(*words)
    assert done.exit_code == exit_code, done.output
    return done.output
