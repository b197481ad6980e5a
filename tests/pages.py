"""Code blocks of a page: what each is, and what it prints when it runs.

A fence says the language. `python` runs, in order, in one namespace. `sh` commands of `harness` run
or are parsed. `yaml` is an experiment, a part of one, or a profile. A block without a language is
what the block before it prints; a line … stands for lines that are left out. `<!-- file: NAME -->`
above a block makes it a file of this name.
"""

import io
import os
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.testing import CliRunner

from harness.cli import main
from harness.cli.group import imported

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int  # in the page, of its fence
    language: str  # empty: what a command prints, or a drawing
    text: str
    file: str | None  # the name under which the reader saves it
    section: int  # the number of the heading that it is under

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        before = text[: match.start()]
        named = re.search(r"<!-- file: (\S+) -->\n\Z", before)
        section = len(re.findall(r"^#+ ", FENCE.sub("", before), flags=re.MULTILINE))
        found.append(
            Block(page, before.count("\n") + 1, match[1], match[2], named and named[1], section)
        )
    assert text.count("```") == 2 * len(found), (
        f"{page}: a fence is neither of three ` alone nor with a language alone"
    )
    return found


def write_files(page: str, folder: Path) -> None:
    """Save every block of the page that is a file."""
    for block in blocks_of(page):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


def printed_by(blocks: list[Block], block: Block) -> Block | None:
    """What the page says that the block prints: the next block, if it has no language and is in the
    same section.
    """
    following = [other for other in blocks if other.line > block.line]
    if following and not following[0].language and following[0].section == block.section:
        return following[0]
    return None


def lines_of(block: Block) -> list[str]:
    """The commands of a `sh` block, without their comments; `a && b` are two, and of `a | b` it is
    the first.
    """
    commands: list[str] = []
    for line in block.text.splitlines():
        code = re.sub(r"(^|\s+)# .*$", "", line)
        commands += [command.partition(" | ")[0].strip() for command in code.split("&&") if command]
    return commands


def run_line(line: str, codes: tuple[int, ...] = (0,)) -> str:
    """What a command prints; it must end with one of these exit codes."""
    words = shlex.split(line)
    if words[0] != "harness":
        path = os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ["PATH"]]
        )  # `python` is the one that tests
        environment = {**os.environ, "PATH": path}
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout + done.stderr
    forget_own_modules()
    result = CliRunner().invoke(main, words[1:])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in codes, f"{line}: {result.output}"
    return result.output


def forget_own_modules() -> None:
    """Import `my_tasks` and the like anew: each folder has its own."""
    for name in [name for name in sys.modules if name.startswith("my_")]:
        del sys.modules[name]


def parse_line(line: str) -> None:
    """The command of `harness` takes these options and arguments, and the files that it reads are
    there.
    """
    _, name, *words = shlex.split(line)
    # Without its parent, a command would keep another help than users see.
    parent = click.Context(main, info_name="harness", **main.context_settings)
    imported(name).make_context(name, words, parent=parent)


def run_python(block: Block, names: dict[str, Any]) -> str:
    """What a `python` block prints, run in this namespace."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile("\n" * block.line + block.text, block.page, "exec"), names)
    return printed.getvalue()


TIME = re.compile(r"\d[\d.,]* (?:core-)?(?:s|min|h|ms|seconds?|minutes?|hours?)\b")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")


def _normal(line: str) -> str:
    """A line without the borders of tables, its times and spaces made equal."""
    return " ".join(TIME.sub("some time", re.sub("[┃│]", " ", line)).split())


def assert_printed(shown: Block, printed: str, tolerance: float) -> None:
    """The page's lines are among those that came out, in this order.

    Numbers may be apart by the tolerance, relative, or by one in their last digit. With a tolerance
    one line in five may differ: the last bits of training, and so a cell, depend on the processor.
    """
    lines = [_normal(line) for line in printed.splitlines()]
    expected = [_normal(line) for line in shown.text.splitlines() if line.strip() not in ("", "…")]
    missing, start = [], 0
    for line in expected:
        found = [
            number for number in range(start, len(lines)) if _same(line, lines[number], tolerance)
        ]
        if found:
            start = found[0] + 1
        else:
            missing.append(line)
    allowed = len(expected) // 5 if tolerance else 0
    assert len(missing) <= allowed, f"{shown.place}: {missing} did not come out:\n{printed}"


def _same(shown: str, printed: str, tolerance: float) -> bool:
    if NUMBER.sub("#", shown) != NUMBER.sub("#", printed):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(_near(*pair, tolerance) for pair in pairs)


def _near(shown: str, printed: str, tolerance: float) -> bool:
    first, second = (float(number.replace(",", "")) for number in (shown, printed))
    last_digit = 10.0 ** -len(shown.partition(".")[2]) if tolerance and "e" not in shown else 0
    return abs(first - second) <= max(tolerance * abs(first), 1.01 * last_digit)
