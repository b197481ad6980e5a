"""Trained networks beside the records, of experiments that say `keep: networks`: a file of arrays for each run."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import os_words, whole_file

if TYPE_CHECKING:
    import numpy as np

FOLDER = "networks"  # in the results folder


class KeptNetwork(NamedTuple):
    """The parameters [P] of a network in the order of its family, and the knots [I, T] of each layer that has some."""

    parameters: np.ndarray
    knots: tuple[np.ndarray, ...]


def network_path(folder: Path, run_id: str) -> Path:
    """Where the network of a run lives."""
    return folder / f"{run_id}.npz"


def keep_network(kept: KeptNetwork, folder: Path, run_id: str) -> None:
    """Write the network of a run, whole or not at all; a HarnessError if that cannot be done."""
    import numpy as np  # here, as `harness status` needs no arrays

    layers: dict[str, Any] = {f"knots{number}": knots for number, knots in enumerate(kept.knots)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(network_path(folder, run_id)) as path:
            np.savez(path, parameters=kept.parameters, **layers)
    except OSError as error:
        raise HarnessError(
            f"{os_words(error, folder)}; the network of run {run_id} cannot be kept", INCOMPLETE
        ) from None


def read_network(folder: Path, run_id: str) -> KeptNetwork:
    """The network of a run; a HarnessError says what to do if it was not kept, or is damaged."""
    import numpy as np

    path = network_path(folder, run_id)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names: Sequence[str] = arrays.files
            knots = tuple(arrays[f"knots{number}"] for number in range(len(names) - 1))
            return KeptNetwork(arrays["parameters"], knots)
    except FileNotFoundError:
        raise HarnessError(
            f"{path}: no network of this run was kept; say `keep: networks` in the experiment file, and run it with "
            "another results folder, where no run has a record yet"
        ) from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise HarnessError(f"{path} is damaged ({error}); remove it, and run with another results folder") from None
