"""The experiments, and the profiles of clusters, that come with the project."""

from importlib import metadata
from pathlib import Path

import harness
from harness.base.errors import HarnessError

EXPERIMENTS = Path("experiments")  # of the folder in which a command is typed
PROFILES = Path("slurm")
DISTRIBUTION = "kan-mlp-harness"


def shipped_experiments() -> dict[str, Path]:
    """Each by its name; a HarnessError if this installation has none."""
    return _shipped(EXPERIMENTS)


def shipped_profiles() -> dict[str, Path]:
    """Each by its name; a HarnessError if this installation has none."""
    return _shipped(PROFILES)


def _shipped(folder: Path) -> dict[str, Path]:
    """The YAML files of the checkout that runs, or those that were installed with the package, by their names."""
    paths = sorted((Path(harness.__file__).parents[1] / folder).glob("*.yaml")) or _installed(folder)
    if not paths:
        raise HarnessError(f"no {folder}/ came with this installation; install the wheel of the project, or clone it")
    return {path.stem: path for path in paths}


def _installed(folder: Path) -> list[Path]:
    """Those that a wheel puts below the environment."""
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    found = [file for file in files if file.match(f"share/{DISTRIBUTION}/{folder}/*.yaml")]
    return sorted(Path(str(file.locate())).resolve() for file in found)
