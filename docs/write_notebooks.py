"""Runs the notebooks of examples/, and keeps what they show in them: `python
docs/write_notebooks.py`.

It trains for a few minutes. Lines of progress are left out, as they are of this machine and this
hour.
"""

import shutil
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
KEPT = ("execute_result", "stream")  # and not what is written again and again, as a bar is


def ran(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """The notebook after it has run from top to bottom, in a copy of the experiments in an empty
    folder.
    """
    for name in ("examples", "experiments"):
        shutil.copytree(ROOT / name, folder / name)
    for cell in notebook.cells:
        cell |= {"outputs": [], "execution_count": None} if cell.cell_type == "code" else {}
    NotebookClient(
        notebook, timeout=1500, resources={"metadata": {"path": str(folder / "examples")}}
    ).execute()
    return notebook


def shown(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same with what a reader wants to see."""
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.output_type in KEPT]
    notebook.metadata.language_info = {"name": "python"}
    return notebook


if __name__ == "__main__":
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as temporary:
            made = shown(ran(nbformat.read(path, as_version=4), Path(temporary)))
        nbformat.write(made, path)
        print(path, flush=True)
