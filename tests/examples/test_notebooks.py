"""The notebooks of examples/ run from top to bottom, and their answers are shown."""

import base64
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRESH = """
import harness, pandas as pd
runs = pd.DataFrame([(n, 3 / n) for n in (30, 100, 300, 1000)], columns=["params", "rmse"])
harness.fit(runs, x="params", y="rmse").figure()
"""
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
assert NOTEBOOKS  # else the test below would hold of none


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_figure_is_shown_where_pyplot_was_never_used(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    fresh = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(FRESH)])
    NotebookClient(fresh, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (shown,) = fresh.cells[0].outputs
    assert base64.b64decode(shown.data["image/png"]).startswith(b"\x89PNG")


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
    for cell in ran.cells:
        cell |= {"outputs": []} if cell.cell_type == "code" else {}
    client = NotebookClient(
        ran, timeout=1500, resources={"metadata": {"path": str(tmp_path / "examples")}}
    )
    client.execute()
    shown = [
        output
        for cell in ran.cells
        for output in cell.get("outputs", [])
        if output.output_type == "execute_result"
    ]
    pages = [output.data["text/html"] for output in shown if "text/html" in output.data]
    assert any("<svg" in page and "<table" in page for page in pages)
    assert "image/png" in shown[-1].data


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_it_shows_is_kept(notebook):
    """A reader of the site sees tables and figures, which `docs/write_notebooks.py` keeps."""
    kept = notebook.read_text(encoding="utf-8")
    assert all(shown in kept for shown in ("<svg", "<table", "image/png"))
    assert not any(word in kept for word in (str(Path.home()), "/tmp/", "warning:", '"error"'))
