"""The experiments that come with the project."""

from pathlib import Path

import harness


def shipped_experiments() -> dict[str, Path]:
    """Each by its name, in the folder `experiments` of the project."""
    folder = Path(harness.__file__).parents[1] / "experiments"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
