"""The experiments that come with the project."""

from pathlib import Path

import harness
from harness.base.errors import HarnessError


def shipped_experiments() -> dict[str, Path]:
    """Each by its name, in the folder `experiments` of the project; a HarnessError if this installation has none."""
    folder = Path(harness.__file__).parents[1] / "experiments"
    if not folder.is_dir():
        raise HarnessError(f"{folder} is not there, so no experiments came with this installation; clone the project")
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
