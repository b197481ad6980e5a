"""What can only be known by trying: what files do in a folder, and what a job sees of its node.

The job and the machine that sent it talk by files, as a sweep does, in a folder that is removed at
the end:

    asked.json    the machine that sends the job: its profile, and the torch there
    report.json   the job: its code, and rows of the doctor
"""

import importlib
import json
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import harness
from harness.base.files import NO_LINKS, write_whole
from harness.base.provenance import available_cores
from harness.dispatch import cluster
from harness.dispatch.profile import Profile

LITTLE_BYTES = 10**9  # free on the disk; less is a warning

Level = Literal["ok", "warning", "FAILED"]


class Finding(NamedTuple):
    """One thing that was checked."""

    level: Annotated[Level, "how it is"]
    what: Annotated[str, "what was looked at"]
    told: Annotated[str, "what was found"]
    next_move: Annotated[str, "what to do; empty only where all is well"] = ""
    about: Annotated[str, "the group"] = ""


def must(subject: str, holds: bool, finding: str, advice: str) -> Finding:
    """A row of what was asked for: it FAILED unless it `holds`, and then the advice is said too."""
    return Finding("ok", subject, finding) if holds else Finding("FAILED", subject, finding, advice)


def should(subject: str, holds: bool, finding: str, advice: str) -> Finding:
    """The same of what a sweep can do without: a warning unless it `holds`."""
    return (
        Finding("ok", subject, finding) if holds else Finding("warning", subject, finding, advice)
    )


# --------------------------------------------------------------------------------------------------
# files
def try_files(folder: Path) -> list[Finding]:
    """Whether files in `folder` do what a sweep asks of them; they stay there."""
    free = shutil.disk_usage(folder).free
    finding = f"{free / 1e9:,.1f} GB free; a quota of yours is not seen here"
    space = should(
        "space", free >= LITTLE_BYTES, finding, "make room, or choose another folder: --results"
    )
    return [_link_row(folder), space]


def _link_row(folder: Path) -> Finding:
    """Whether a hard link fails where there is a file, so that of two who publish a record the
    first wins.
    """
    wins, another = (
        "the first to publish a record wins",
        "choose a results folder on another file system: --results",
    )
    first, second, target = folder / "first", folder / "second", folder / "linked"
    first.write_text("first", encoding="utf-8")
    second.write_text("second", encoding="utf-8")
    try:
        os.link(first, target)
        os.link(second, target)
    except FileExistsError:
        return must("hard link", target.read_text(encoding="utf-8") == "first", wins, another)
    except OSError as error:
        if error.errno in NO_LINKS:
            move = "go on; a lock that a dead worker leaves is named, to be removed"
            return should("hard link", False, f"none here; a lock sees to it that {wins}", move)
        return must(
            "hard link",
            False,
            f"{error.strerror or error} here, so it is not sure that {wins}",
            another,
        )
    return must(
        "hard link",
        False,
        f"a second link to one name was allowed, so it is not sure that {wins}",
        another,
    )


# --------------------------------------------------------------------------------------------------
# job
def look_around(place: Path) -> None:
    """What the job does: write down what its node means for a sweep."""
    sent = read(place / "asked.json")
    profile = Profile.model_validate(sent["profile"])
    host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    cores, (torch, gpus) = available_cores(), torch_row(sent["torch"])
    rows = [
        Finding("ok", "node", f"{host}: Python {platform.python_version()}, {sys.executable}"),
        torch,
    ]
    if profile.gpus:
        has_driver = any(Path(path).exists() for path in ("/proc/driver/nvidia", "/dev/kfd"))
        rows.append(gpu_row(profile, gpus, os.environ.get("CUDA_VISIBLE_DEVICES"), has_driver))
    fewer = f"cpus: {cores}, as jobs train no faster with more"
    rows.append(
        should("CPUs", cores >= profile.cpus, f"{cores} may be used, {profile.cpus} asked", fewer)
    )
    if not cluster.can_requeue():
        absent = (
            "the job has no scontrol, as in a container: at its time limit it does not start "
            "again by itself"
        )
        rows.append(
            should(
                "requeue",
                False,
                absent,
                "`harness submit` again then: it goes on from its checkpoint",
            )
        )
    rows += [finding._replace(told=f"on {host}: {finding.told}") for finding in try_files(place)]
    code = str(Path(harness.__file__).parents[1])
    write_whole(
        place / "report.json",
        json.dumps({"harness": harness.__version__, "code": code, "rows": rows}),
    )


def torch_row(torch_here: str) -> tuple[Finding, list[str]]:
    """Whether torch is there, and the same as where the job was sent off; and the GPUs that it
    sees.
    """
    begin = time.monotonic()
    try:
        torch = importlib.import_module("torch")
        gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        torch_version = metadata.version(
            "torch"
        )  # `torch.__version__` may have a suffix, which that lacks
    except Exception as problem:  # a broken one must not end the job
        finding = f"cannot be imported: {type(problem).__name__}: {problem}"[:300]
        return must(
            "torch", False, finding, "install it in the node's environment, or load that in setup:"
        ), []
    finding = (
        f"{torch_version}, imported in {time.monotonic() - begin:.1f} s; here it is {torch_here}"
    )
    move = (
        "train only there, or use one environment: records of two are equal to a tolerance, "
        "not to the bit"
    )
    return should("torch", torch_version == torch_here, finding, move), gpus


def gpu_row(
    profile: Profile, gpus: Sequence[str], visible: str | None, has_driver: bool
) -> Finding:
    """Whether torch sees the GPUs that were asked for; `visible` is what CUDA_VISIBLE_DEVICES
    says.
    """
    names = f" ({', '.join(gpus)})" if gpus else ""
    finding = (
        f"torch sees {len(gpus)} of {profile.gpu_count}{names}; CUDA_VISIBLE_DEVICES is "
        f"{visible or 'not set'}"
    )
    if not gpus and visible and not has_driver:
        move = "say `device: cpu` in experiments, or ask for a node with a GPU driver"
        return should("GPU", False, f"{finding}, and the node has no driver of one", move)
    move = "a torch built for the node's GPUs, or another `gpus:` or `constraint:`"
    return must("GPU", len(gpus) >= profile.gpu_count, finding, move)


def read(path: Path) -> dict[str, Any]:
    """What a file of the talk says."""
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    look_around(Path(sys.argv[1]))
