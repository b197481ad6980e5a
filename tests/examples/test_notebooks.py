"""The notebooks of examples/ run from top to bottom, and their answers are shown."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
assert NOTEBOOKS  # else the test below would hold of none


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    for folder in ("examples", "experiments"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    ran = nbformat.read(notebook, as_version=4)
    assert not any(cell.get("outputs") for cell in ran.cells), "committed notebooks have no outputs"
    client = NotebookClient(ran, timeout=1500, resources={"metadata": {"path": str(tmp_path / "examples")}})
    client.execute()
    shown = [
        output for cell in ran.cells for output in cell.get("outputs", []) if output.output_type == "execute_result"
    ]
    pages = [output.data["text/html"] for output in shown if "text/html" in output.data]
    assert any("<svg" in page and "<table" in page for page in pages)
