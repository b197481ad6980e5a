"""Trained networks beside the records, of experiments that say `keep: networks`: a file of arrays
for each run.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import os_words, whole_file

if TYPE_CHECKING:
    import numpy as np

FOLDER = "networks"  # in the results folder


class Snapshot(NamedTuple):
    """Parameters and knots of a network on the way, as in `KeptNetwork`, after so many evaluations
    of its run.
    """

    evaluations: int
    parameters: np.ndarray
    knots: tuple[np.ndarray, ...]


class KeptNetwork(NamedTuple):
    """The parameters [P] of a network in the order of its family, and the knots [I, T] of each
    layer that has some.

    Of data, `ends` are those of each column [2, columns], which are -1 and 1 to the network, and
    `output` has what its outputs are multiplied with, and then shifted by. Of a data file of the
    user's own, `columns` are the names of the inputs, and `labels` what the file calls each class;
    `encoding` says how its columns become inputs, where they are more than plain numbers, and
    `fill` [inputs] what stands in a gap (`tasks.Scaling`). `snapshots` are its states on the way.
    """

    parameters: np.ndarray
    knots: tuple[np.ndarray, ...]
    ends: np.ndarray | None = None
    output: np.ndarray | None = None
    columns: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    encoding: str = ""
    fill: np.ndarray | None = None
    snapshots: tuple[Snapshot, ...] = ()

    @property
    def course(self) -> tuple[Snapshot, ...]:
        """Its snapshots, which end with what was trained; only that if there are none."""
        return self.snapshots or (Snapshot(0, self.parameters, self.knots),)


def network_path(folder: Path, run_id: str) -> Path:
    """Where the network of a run lives."""
    return folder / f"{run_id}.npz"


def keep_network(kept: KeptNetwork, folder: Path, run_id: str) -> None:
    """Write the network of a run, whole or not at all; a HarnessError if that cannot be done."""
    import numpy as np  # here, as `harness status` needs no arrays

    arrays: dict[str, Any] = {}
    for name, value in kept._replace(knots=(), snapshots=())._asdict().items():
        arrays |= {name: value} if isinstance(value, np.ndarray) or value else {}
    arrays |= {f"knots{number}": knots for number, knots in enumerate(kept.knots)}
    for evaluations, parameters, knots in kept.snapshots:
        arrays |= {
            f"at {evaluations} {place}": array for place, array in enumerate((parameters, *knots))
        }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(network_path(folder, run_id)) as path:
            np.savez(path, **arrays)
    except OSError as error:
        problem = os_words(error, folder)
        raise HarnessError(
            f"{problem}; the network of run {run_id} cannot be kept", INCOMPLETE
        ) from None


def read_network(folder: Path, run_id: str) -> KeptNetwork:
    """The network of a run; a HarnessError says what to do if it was not kept, or is damaged."""
    import numpy as np

    path = network_path(folder, run_id)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            layers = [name for name in arrays.files if name.startswith("knots")]
            snapshots = []
            for moment in dict.fromkeys(
                int(name.split()[1]) for name in arrays.files if name.startswith("at ")
            ):
                on_the_way = [arrays[f"at {moment} {place}"] for place in range(1 + len(layers))]
                snapshots.append(Snapshot(moment, on_the_way[0], tuple(on_the_way[1:])))
            return KeptNetwork(
                parameters=arrays["parameters"],
                knots=tuple(arrays[f"knots{number}"] for number in range(len(layers))),
                ends=arrays.get("ends"),
                output=arrays.get("output"),
                columns=tuple(arrays["columns"].tolist()) if "columns" in arrays else (),
                labels=arrays.get("labels"),
                encoding=str(arrays.get("encoding", "")),
                fill=arrays.get("fill"),
                snapshots=tuple(snapshots),
            )
    except FileNotFoundError:
        raise HarnessError(
            f"{path}: no network of this run was kept; its experiment file did not say `keep: "
            "networks` when it was "
            "trained, or its record was merged from another results folder, or `harness clean "
            "--networks` removed it. "
            "Say `keep: networks`, and run with a new results folder, where no run has a record yet"
        ) from None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise HarnessError(
            f"{path} is damaged ({error}); remove it, and run with another results folder"
        ) from None
