"""docs/adding.md is true: what it shows, written to files as it says, runs and is matched."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import main

TEXT = (Path(__file__).parents[2] / "docs" / "adding.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files of the page, in which commands run."""
    python = re.findall(r"`(my_\w+\.py)`:.*?```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert [name for name, _ in python] == ["my_tasks.py", "my_networks.py"]
    for name, text in python:
        (tmp_path / name).write_text(text, encoding="utf-8")
    (experiment,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    (tmp_path / "ripples.yaml").write_text(experiment, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def harness(*words):
    """What a command prints; it must succeed."""
    result = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.slow
def test_the_page_runs(folder):
    """All arms train, each budget is met within the page's tolerance by the live count, and edited code is refused."""
    harness("run", "ripples.yaml", "--workers", "1")

    records = [json.loads(path.read_text("utf-8")) for path in (folder / "results" / "runs").glob("*.json")]
    assert len(records) == 18
    assert {record["run"]["network"]["family"] for record in records} == {"module", "kan"}
    manifest = json.loads((folder / "results" / "ripples" / "manifest.json").read_text("utf-8"))
    assert all(abs(cell["residual"]) <= 0.05 for cell in manifest["cells"])

    source = (folder / "my_networks.py").read_text("utf-8")
    (folder / "my_networks.py").write_text(source + "\n# edited", encoding="utf-8")
    result = CliRunner().invoke(main, ["run", "ripples.yaml"])
    assert result.exit_code == 2
    assert "holds another plan" in result.output


def test_a_module_is_matched_on_the_command_line(folder):
    """`harness match` counts a module live, beside a family with closed forms."""
    arms = ["--arm", "module module=my_networks:SineNet size=width", "--arm", "mlp depth=2"]

    found = json.loads(harness("match", *arms, "--inputs", "2", "--at", "401", "--json"))

    assert [one["counts"]["params.trainable"] for one in found] == [401, 401]
    assert found[0]["solved"] == {"width": 100}
