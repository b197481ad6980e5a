"""The code that runs is the code that was submitted: it is copied beside the sweep, and known by
its content.

A snapshot is a folder named by its hash. It holds the marker `harness-snapshot.json` and one folder
for each source, `0` for the one with this package: a git checkout, or outside of git a package or
single modules.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import harness
from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import private_folder, unfinished, write_whole
from harness.base.provenance import (
    MARKER,
    checkout_around,
    commit_and_dirty,
    git,
    read_marker,
    snapshot_around,
    source_hash,
)
from harness.base.user_code import user_module

LARGEST_BYTES = 200 * 10**6  # of a checkout's code; with more, something in it is not code
NOT_CODE = ("__pycache__", ".git")
# In a results folder, which may lie in a checkout that does not ignore it; and experiments, known
# by their plans.
RESULTS = ("runs", "baselines", "data", "networks", "checkpoints", "snapshots", "calibrations")
KEPT_RESULTS = (
    "reference",
    "benchmarks",
    "fits",
    "replay",
    "verdicts",
)  # beside them: what the project keeps


class Snapshot(NamedTuple):
    """Code at rest. `roots` go on PYTHONPATH, in this order; `commit` and `dirty` are of the
    checkout of this package.

    Content that was copied from a changed checkout, and is found again in a clean one, is that
    commit's. Both are None outside of git.
    """

    hash: str
    path: Path
    commit: str | None
    dirty: bool | None
    roots: tuple[Path, ...]


class ModuleFile(NamedTuple):
    """A module's file, and the folder on the Python path from which it is imported."""

    file: Path
    top: Path


class Source(NamedTuple):
    """Files of a folder by their relative paths; with a commit if it is a checkout."""

    folder: Path
    files: tuple[str, ...]
    commit: str | None = None
    dirty: bool | None = None


def take_snapshot(folder: Path, targets: Sequence[str], package: Path | None = None) -> Snapshot:
    """The code that would run now, copied into `folder` (`results/snapshots`) if it is not there
    yet.

    That is the code of `package` (this one if left out) and of the `targets` that are
    `package.module:function`. A HarnessError if it is too large, or cannot be read or written.
    """
    package = package or Path(harness.__file__).parent
    modules = [_module(package.name, package / "__init__.py")]
    for target in targets:
        if ":" in target:
            module = user_module(target, "target")
            if not module.__file__:
                raise HarnessError(
                    f"target {target}: {module.__name__} has no source file, so it cannot be "
                    "sent off"
                )
            modules.append(_module(module.__name__, Path(module.__file__)))
    try:
        sources, roots = _sources(modules, folder.resolve())
        _check_size(sources)
        name = _kept(sources, folder)
    except OSError as error:
        problem = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        mend = "mend that, or choose another --results folder"
        raise HarnessError(
            f"{folder}: code cannot be copied there ({problem}); {mend}", INCOMPLETE
        ) from None
    path, marker = folder.absolute() / name, read_marker(folder / name)
    return Snapshot(
        name, path, marker["commit"], marker["dirty"], tuple(path / root for root in roots)
    )


def check_snapshot(path: Path) -> None:
    """A HarnessError if `path` lies in a snapshot of which a file was changed, added or removed."""
    folder = snapshot_around(path)
    if folder is None:
        return
    try:
        now = _hash(_files_of(folder))
    except OSError as error:
        raise HarnessError(
            f"snapshot {folder}: {error.filename}: {error.strerror}", INCOMPLETE
        ) from None
    if now != (then := read_marker(folder)["hash"]):
        problem = (
            f"snapshot {folder} was changed after it was taken (its files hash to {now}, "
            f"not {then})"
        )
        raise HarnessError(f"{problem}; remove it and submit again", INCOMPLETE)


def check_code(snapshot: Path, targets: Sequence[str]) -> None:
    """A HarnessError unless Python takes the code from this snapshot: this package, and the modules
    of the `targets`.

    Python passes over folders of its path that are not there, and would run whatever comes next.
    The modules are looked for, not imported.
    """
    if not (snapshot / MARKER).exists():
        raise HarnessError(f"snapshot {snapshot} is not there; submit again", INCOMPLETE)
    names = [
        harness.__name__,
        *(target.partition(".")[0].partition(":")[0] for target in targets if ":" in target),
    ]
    for name in dict.fromkeys(names):
        spec = importlib.util.find_spec(name)
        origins = (spec.submodule_search_locations or [spec.origin or ""]) if spec else []
        places = [Path(origin).resolve() for origin in origins]
        if places and not any(place.is_relative_to(snapshot.resolve()) for place in places):
            problem = f"{name} would come from {places[0]}, not from the snapshot {snapshot}"
            raise HarnessError(
                f"{problem}; leave PYTHONPATH alone in setup: and python:, and submit again",
                INCOMPLETE,
            )


class Origin(NamedTuple):
    """Whence a process has its code: the folder of this package, and the hash of the source that
    computes.
    """

    package: Path
    source: str


def origin() -> Origin:
    """Whence this process has its code."""
    return Origin(Path(harness.__file__).parent, source_hash())


def check_origin(of_parent: Origin) -> None:
    """A HarnessError unless this process has the very code of the one that started it, from a
    snapshot that is whole.

    A process that starts later looks for the code anew, and finds other code where the first is
    gone or was edited.
    """
    if (own := origin()) != of_parent:
        ours, theirs = (f"{code.package} (source {code.source})" for code in (own, of_parent))
        problem = (
            f"a training process got its code from {ours}, not from {theirs} as the process "
            "that started it"
        )
        raise HarnessError(
            f"{problem}; nothing of it is recorded: put that code back, or start again", INCOMPLETE
        )
    check_snapshot(own.package)


# --------------------------------------------------------------------------------------------------
# sources
def _sources(modules: Sequence[ModuleFile], snapshots: Path) -> tuple[list[Source], list[str]]:
    """Where the modules come from, each source once, and the folders of the snapshot to import them
    from.
    """
    sources: list[Source] = []
    roots = []
    for module in modules:
        place = next(
            (place for place, source in enumerate(sources) if _has(source, module)), len(sources)
        )
        if place == len(sources):
            sources.append(_source_of_git(module, snapshots) or _source_outside_git(module))
        roots.append(str(Path(str(place)) / module.top.relative_to(sources[place].folder)))
    return sources, list(dict.fromkeys(roots))


def _has(source: Source, module: ModuleFile) -> bool:
    return (
        module.top.is_relative_to(source.folder)
        and str(module.file.relative_to(source.folder)) in source.files
    )


def _source_of_git(module: ModuleFile, snapshots: Path) -> Source | None:
    """The checkout that holds a module: tracked files that are there, and untracked ones that git
    does not ignore.

    Checkouts inside of it are left out.
    """
    checkout = checkout_around(module.file)
    if checkout is None:
        return None
    files = []
    listed = git(checkout, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split(
        "\0"
    )
    for name in filter(None, dict.fromkeys(listed)):
        path = checkout / name
        is_file = path.is_symlink() or path.is_file()
        if is_file and not _is_left_out(name) and not _is_result(path, snapshots):
            files.append(name)
    source = Source(checkout, tuple(files), *commit_and_dirty(checkout))
    return source if _has(source, module) else None


def _source_outside_git(module: ModuleFile) -> Source:
    """The module's top-level package or file, with whatever else was imported from the same folder.

    That is so that a script finds its neighbours. Of a folder of installed packages it is the
    package alone.
    """
    names = {module.file.relative_to(module.top).parts[0]}
    if module.top.name not in ("site-packages", "dist-packages"):
        for name, loaded in sys.modules.copy().items():
            file = getattr(loaded, "__file__", None)
            if file and (neighbour := _module(name, Path(file))).top == module.top:
                names.add(neighbour.file.relative_to(neighbour.top).parts[0])
    files = []
    for name in sorted(names):
        path = module.top / name
        files += [f"{name}/{file}" for file in _walk(path)] if path.is_dir() else [name]
    return Source(module.top, tuple(files))


def _module(name: str, file: Path) -> ModuleFile:
    file = file.parent.resolve() / file.name  # as git gives paths; a file that is a link stays one
    depth = name.count(".") + (file.name == "__init__.py")
    return ModuleFile(file, file.parents[min(depth, len(file.parents) - 1)])


def _is_result(path: Path, snapshots: Path) -> bool:
    """Whether it is something that sweeps have left in the results folder."""
    results = snapshots.parent
    if not path.is_relative_to(results) or path == results:
        return False
    first = path.relative_to(results).parts[0]
    return (
        first in RESULTS or first == snapshots.name or (results / first / "manifest.json").exists()
    )


def _is_left_out(name: str) -> bool:
    """Whether a file of a checkout is no code: caches, and the results that it keeps, ten times as
    large as code.
    """
    parts = Path(name).parts
    is_kept = parts[0] == "results" and len(parts) > 1 and parts[1] in KEPT_RESULTS
    return is_kept or any(part in NOT_CODE for part in parts)


def _check_size(sources: Sequence[Source]) -> None:
    sizes: dict[Path, int] = {}
    for source in sources:
        sizes |= {
            source.folder / name: (source.folder / name).lstat().st_size for name in source.files
        }
    total = sum(sizes.values())
    if total > LARGEST_BYTES:
        largest = sorted(sizes, key=lambda path: sizes[path], reverse=True)[:3]
        named = ", ".join(f"{path} {sizes[path] / 1e6:.0f} MB" for path in largest)
        code = (
            f"{total / 1e6:.0f} MB, at most {LARGEST_BYTES / 1e6:.0f} MB are taken for code "
            f"(largest: {named})"
        )
        raise HarnessError(
            f"code to copy: {code}; let .gitignore name what is not code, or move it elsewhere"
        )


# --------------------------------------------------------------------------------------------------
# copies
def _kept(sources: Sequence[Source], folder: Path) -> str:
    """The hash by which the sources are found in `folder`, copied if need be: they appear there
    whole or not at all.
    """
    files: dict[str, Path] = {}
    for place, source in enumerate(sources):
        files |= {f"{place}/{name}": source.folder / name for name in source.files}
    name = _hash(files)
    if not (folder / name).exists():
        return _copied(files, sources, folder)
    check_snapshot(folder / name / MARKER)
    if sources[0].dirty is False and read_marker(folder / name)["dirty"] is not False:
        _mark(folder / name, name, sources)
    return name


def _copied(files: Mapping[str, Path], sources: Sequence[Source], folder: Path) -> str:
    private_folder(folder)
    temporary = unfinished(folder / "copy")
    try:
        temporary.mkdir()
        for name, path in files.items():
            _copy(path, temporary / name)
        digest = _hash(_files_of(temporary))  # of what was copied, should somebody be editing
        _mark(temporary, digest, sources)
        try:
            temporary.rename(folder / digest)
        except OSError:
            if not (folder / digest).is_dir():  # else somebody else was sooner
                raise
        return digest
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _copy(path: Path, copy: Path) -> None:
    """A file with its executable bit, or a link as a link."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy, follow_symlinks=False)
    if not path.is_symlink() and path.stat().st_mode & stat.S_IXUSR:
        mode = copy.stat().st_mode
        copy.chmod(mode | (mode & 0o444) >> 2)  # for whoever may read it


def _mark(folder: Path, name: str, sources: Sequence[Source]) -> None:
    marker = {
        "hash": name,
        "commit": sources[0].commit,
        "dirty": sources[0].dirty,
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sources": [{"commit": source.commit, "dirty": source.dirty} for source in sources],
    }
    write_whole(folder / MARKER, json.dumps(marker, indent=1))


def _hash(files: Mapping[str, Path]) -> str:
    """16 hex digits: SHA-256 over every path, what it is, and the SHA-256 of its content; of a
    link, where it leads.
    """
    lines = []
    for name, path in sorted(files.items()):
        if path.is_symlink():
            kind, content = "link", os.fsencode(path.readlink())
        else:
            kind = "executable" if path.stat().st_mode & stat.S_IXUSR else "file"
            content = path.read_bytes()
        lines.append([name, kind, hashlib.sha256(content).hexdigest()])
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()[:16]


def _files_of(snapshot: Path) -> dict[str, Path]:
    return {name: snapshot / name for name in _walk(snapshot) if name != MARKER}


def _walk(folder: Path) -> Iterator[str]:
    """Relative paths of all files and links below; not of what Python keeps beside its code."""
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = [name for name in folders if name not in NOT_CODE and name not in links]
        for name in (*files, *links):
            yield (inside / name).as_posix()
