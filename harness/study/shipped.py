"""The experiments, and the profiles of clusters, that come with the project."""

from importlib import metadata
from pathlib import Path

import harness
from harness.base.errors import HarnessError

EXPERIMENTS = Path("experiments")  # of the folder in which a command is typed
PROFILES = Path("slurm")
DISTRIBUTION = "kan-mlp-harness"


def shipped_files(folder: Path) -> dict[str, Path]:
    """The YAML files of the checkout that runs, or those that a wheel puts below the environment, by their names.

    A HarnessError if this installation has none.
    """
    paths = sorted((Path(harness.__file__).parents[1] / folder).glob("*.yaml"))
    if not paths:
        try:
            files = metadata.files(DISTRIBUTION) or []
        except metadata.PackageNotFoundError:
            files = []
        shipped = [file for file in files if file.match(f"share/{DISTRIBUTION}/{folder}/*.yaml")]
        paths = sorted(Path(str(file.locate())).resolve() for file in shipped)
    if not paths:
        raise HarnessError(f"no {folder}/ came with this installation; install the wheel of the project, or clone it")
    return {path.stem: path for path in paths}
