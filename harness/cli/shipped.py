"""The experiments that come with the project."""

from importlib import metadata
from pathlib import Path

import harness
from harness.base.errors import HarnessError

EXPERIMENTS = Path("experiments")  # of the folder in which a command is typed
DISTRIBUTION = "kan-mlp-harness"
INSTALLED = f"share/{DISTRIBUTION}/experiments/*.yaml"  # where a wheel puts them, below the environment


def shipped_experiments() -> dict[str, Path]:
    """Each by its name: those of the checkout that runs, or those that were installed with the package.

    A HarnessError if this installation has none.
    """
    folder = Path(harness.__file__).parents[1] / "experiments"
    paths = sorted(folder.glob("*.yaml")) or _installed()
    if not paths:
        raise HarnessError("no experiments came with this installation; install the wheel of the project, or clone it")
    return {path.stem: path for path in paths}


def _installed() -> list[Path]:
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    return sorted(Path(str(file.locate())).resolve() for file in files if file.match(INSTALLED))
