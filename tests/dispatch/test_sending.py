"""submit, retry and cancel as commands: what they ask, what they refuse, and what they leave to others."""

import os
import pty
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.cli.steps import confirm
from harness.dispatch.state import RunState
from harness.errors import HarnessError
from harness.show_sweeps import Offer, offer_lines, status_table

EXPERIMENT = """
question: Who trains what?
tasks: [{{target: xy, inputs: 2, train_points: 20, validation_points: 10, test_points: 10}}]
arms: {{mlp: {{architecture: {{family: mlp, hidden: [3]}}, recipe: quick}}}}
recipes: {{quick: {{optimizer: {{name: adam}}, max_evaluations: 3}}}}
seeds: {seeds}
engine: torch
"""


def _experiment(folder: Path, name: str = "sweep", seeds: tuple[int, ...] = (0, 1)) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(EXPERIMENT.format(seeds=list(seeds)), encoding="utf-8")
    return file


def _harness(file: Path, command: str, *options: str) -> Result:
    return CliRunner().invoke(main, [command, str(file), *options, "--results", str(file.parent / "results")])


# -------------------------------------------------------------------------------------------------------------- asking
def test_without_a_terminal_nothing_is_done_unasked(tmp_path):
    """submit, retry and cancel exit with 2 and name --yes; nothing was sent off, ordered or cancelled."""
    file = _experiment(tmp_path)

    refused = [_harness(file, "submit", "--local", "1")]
    refused += [_harness(file, "cancel"), _harness(file, "retry", "--cause", "planned", "--local", "1")]

    for done, what in zip(refused, ["submitted", "cancelled", "submitted"], strict=True):
        assert done.exit_code == 2
        assert f"nothing was {what}: there is no terminal to ask at; --yes goes on without asking" in done.output
    left = {path.name for path in (tmp_path / "results" / "sweep").iterdir()}
    assert left == {"manifest.json"}


@pytest.mark.parametrize("answer", ["n\n", "\x04"], ids=["no", "end of input"])
def test_at_a_terminal_a_no_is_a_no(monkeypatch, answer):
    """The question is asked, and what was not agreed to is not done."""
    ours, theirs = pty.openpty()
    with open(theirs, encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        os.write(ours, answer.encode())
        with pytest.raises(HarnessError, match="nothing was submitted") as refused:
            confirm("submit?", yes=False, refused="nothing was submitted")
    os.close(ours)
    assert refused.value.exit_code == 3


# ---------------------------------------------------------------------------------------------------------- next moves
def test_held_jobs_are_not_hidden_by_those_that_wait():
    """Runs of one state whose next moves differ have rows of their own, and submit tells those moves too."""
    waits, held = RunState("queued", "SLURM: PENDING"), RunState("queued", "held", next_move="`scontrol release 7`")
    found = {"a": waits, "b": held, "c": waits, "d": held, "e": waits}

    table = status_table(found)
    assert [list(column.cells) for column in table.columns] == [
        ["queued", "queued"],
        ["3", "2"],
        ["SLURM: PENDING", "held"],
        ["", "`scontrol release 7`"],
    ]
    told = offer_lines("sweep", found, Offer([], [], 0.0, "core", calibrated=True, left_for_later=0))
    assert told[1:] == ["nothing to submit", "queued: `scontrol release 7`"]
