"""What can only be known by trying: what files do in a folder, and what a job sees of its node.

The job and the machine that sent it talk by files, as a sweep does, in a folder that is removed at the end:

    hello.json    the job, as soon as it runs
    answer.json   the machine that sent it, as soon as it sees that
    report.json   the job, as soon as it sees the answer
    setup-failed  the set-up lines that failed, one a line
"""

import importlib
import json
import os
import platform
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import harness
from harness.base.files import NO_LINKS, whole_file
from harness.dispatch import cluster

LOOK_SECONDS = 0.1  # between two looks for a file
LOOKED_SECONDS = 120.0  # after which a file of another machine isn't looked for any more
LITTLE_BYTES = 10**9
MEASURE_SECONDS = 20.0  # of training, of each number of packs a GPU


Level = Literal["ok", "warning", "FAILED"]


class Finding(NamedTuple):
    """One thing that was checked."""

    level: Annotated[Level, "how it is"]
    what: Annotated[str, "what was looked at"]
    told: Annotated[str, "what was found"]
    next_move: Annotated[str, "what to do; empty only where all is well"] = ""


class Throughput(NamedTuple):
    """Evaluations a second, of all lanes, of so many packs that train at a time on a device."""

    device: str
    packs: int
    evaluations_per_second: float


class NodeReport(NamedTuple):
    """What a job saw on `host`, its node; moments are in seconds since the epoch by the clock there.

    `torch` is its version, or None where `torch_error` says why it cannot be imported. `throughputs` is empty where
    none was asked for, there is no GPU, or `throughput_error` says why none could be measured.
    """

    host: str
    python: str
    executable: str
    harness: str
    code: str
    cores: int
    torch: str | None
    torch_error: str
    torch_seconds: float
    cuda_visible_devices: str | None
    gpus: list[str]
    gpu_driver: bool
    hello_at: float
    answer_seen_at: float | None
    files: list[Finding]
    can_requeue: bool = True
    throughputs: Sequence[Throughput] = ()
    throughput_error: str = ""


# -------------------------------------------------------------------------------------------------------------- files
def try_files(folder: Path) -> list[Finding]:
    """Whether files in `folder` do what a sweep asks of them; nothing stays behind in it."""
    own = folder / f".{uuid.uuid4().hex}"
    try:
        own.mkdir()
    except OSError as error:
        return [unwritable(folder, error)]
    try:
        return [
            _tried("hard link", _link, own, "the first to publish a record wins", instead="a lock"),
            _tried("rename", _rename, own, "files appear whole or not at all"),
            _tried("exclusive", _exclusive, own, "of two who submit at once, one is told so"),
            _tried("fsync", _fsync, own, "what was saved survives a crash"),
            _free_space(own),
        ]
    finally:
        shutil.rmtree(own, ignore_errors=True)


def unwritable(folder: Path, error: OSError) -> Finding:
    """What is said of a folder in which nothing can be made."""
    return Finding("FAILED", "folder", f"{folder}: {error.strerror}", "choose one that you may write to: --results")


def _tried(what: str, trial: Callable[[Path], bool], folder: Path, so: str, instead: str = "") -> Finding:
    """Whether the file system does what makes it `so`; where there is no such thing, what does it `instead`, if any."""
    another = "choose a results folder on another file system: --results"
    try:
        kept = trial(folder)
    except OSError as error:
        if instead and error.errno in NO_LINKS:
            told = f"none here; {instead} sees to it that {so}"
            return Finding("warning", what, told, "go on; a lock that a dead worker leaves is named, to be removed")
        return Finding("FAILED", what, f"{error.strerror or error} here; without it not: {so}", another)
    if kept:
        return Finding("ok", what, so)
    return Finding("FAILED", what, f"done, but not as it must be; so not: {so}", another)


def _link(folder: Path) -> bool:
    first, second, target = folder / "first", folder / "second", folder / "linked"
    first.write_text("first")
    second.write_text("second")
    os.link(first, target)
    try:
        os.link(second, target)
    except FileExistsError:
        return target.read_text() == "first"
    return False


def _rename(folder: Path) -> bool:
    old, new = folder / "old", folder / "new"
    old.write_text("old")
    new.write_text("new")
    new.replace(old)
    return old.read_text() == "new" and not new.exists()


def _exclusive(folder: Path) -> bool:
    (folder / "lock").open("x").close()
    try:
        (folder / "lock").open("x").close()
    except FileExistsError:
        return True
    return False


def _fsync(folder: Path) -> bool:
    with (folder / "synced").open("w") as file:
        file.write("synced")
        file.flush()
        os.fsync(file.fileno())
    return True


def _free_space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    told = f"{free / 1e9:,.1f} GB free; a quota of yours is not seen here"
    if free < LITTLE_BYTES:
        return Finding("warning", "space", told, "make room, or choose another folder: --results")
    return Finding("ok", "space", told)


# ---------------------------------------------------------------------------------------------------------------- job
def look_around(folder: str, packs_per_gpu: int = 0) -> None:
    """What the job does: say hello, wait for the answer, and write down what this machine has.

    With `packs_per_gpu` it measures what its GPUs train with one pack each at a time, and with so many.
    """
    place = Path(folder)
    hello_at = time.time()
    write(place / "hello.json", {})
    answer_seen_at = time.time() if _appears(place / "answer.json") else None
    seen = _torch()
    report = NodeReport(
        host=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        python=platform.python_version(),
        executable=sys.executable,
        harness=harness.__version__,
        code=str(Path(harness.__file__).parents[1]),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        **seen,
        cuda_visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        gpu_driver=any(Path(path).exists() for path in ("/proc/driver/nvidia", "/dev/kfd")),
        hello_at=hello_at,
        answer_seen_at=answer_seen_at,
        files=try_files(place),
        can_requeue=cluster.can_requeue(),
        **(_throughputs(len(seen["gpus"]), packs_per_gpu) if seen["gpus"] and packs_per_gpu else {}),
    )
    write(place / "report.json", report._asdict())


def _torch() -> dict[str, Any]:
    """What the fields of a NodeReport say of torch: a broken one must not end the job."""
    begin = time.monotonic()
    try:
        torch = importlib.import_module("torch")
        gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        version, error = metadata.version("torch"), ""  # `torch.__version__` may have a suffix, which that lacks
    except Exception as problem:
        gpus, version, error = [], None, f"{type(problem).__name__}: {problem}"
    return {"torch": version, "torch_error": error, "torch_seconds": time.monotonic() - begin, "gpus": gpus}


def _throughputs(gpus: int, packs_per_gpu: int) -> dict[str, Any]:
    """What the fields of a NodeReport say of sharing GPUs."""
    from harness.dispatch.sharing import throughput  # which loads what trains

    try:
        return {"throughputs": [throughput("cuda", gpus * packs, MEASURE_SECONDS) for packs in (1, packs_per_gpu)]}
    except Exception as problem:
        return {"throughput_error": f"{type(problem).__name__}: {problem}"}


def _appears(path: Path) -> bool:
    end = time.monotonic() + LOOKED_SECONDS
    while not (there := path.exists()) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    return there


def write(path: Path, data: dict[str, Any]) -> None:
    """Write a file of the talk, whole."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(data), encoding="utf-8")


def read_report(path: Path) -> NodeReport:
    """What the job wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    files = [Finding(*finding) for finding in data["files"]]
    return NodeReport(**data | {"files": files, "throughputs": [Throughput(*each) for each in data["throughputs"]]})


if __name__ == "__main__":
    look_around(sys.argv[1], int(sys.argv[2]))
