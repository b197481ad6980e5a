"""What is sent off: jobs of about equal length, as files that are written before SLURM is asked.

So nothing that runs is unknown.

submissions/<id>/submission.json   jobs, the unique name of their array, profile, code: sealed,
never changed submissions/<id>/job-<place>.json  the runs of one job in full: what its worker needs,
and no more submissions/<id>/number            what SLURM calls the array, if its answer came
orders/<time>-<id>.json            what the user said later: cancel or retry these runs

Whoever may not read these folders gets a PermissionError, never an empty list. A damaged file is
named by its `damage`.
"""

import heapq
import itertools
import json
import math
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import check_writable, listed, locked, private_folder, write_whole
from harness.base.frozen import Frozen, left_out_at, problem_of
from harness.dispatch.mirror import WandbMode
from harness.dispatch.profile import Profile
from harness.spec.run import Device, RunSpec, unsealed, write_sealed

SUBMISSION_SCHEMA = 1
Stored = TypeVar("Stored", bound=Frozen)
RunIds = tuple[str, ...]  # run ids that train together


class SentJob(Frozen):
    """Packs that one job trains, the costliest first: what each is predicted to take, and the job
    on all its slots.
    """

    packs: tuple[RunIds, ...]
    pack_seconds: tuple[float, ...]
    seconds: float

    @property
    def runs(self) -> list[str]:
        """The ids of all its runs."""
        return list(itertools.chain.from_iterable(self.packs))


class Submission(Frozen):
    """Jobs that were sent off together: one array of SLURM, or without a profile one job on the
    machine `host`.

    `slots` is how many packs each of its jobs trains at a time. `cluster` and `user` have its jobs
    at SLURM; submissions of older versions have neither. `damage` says what is wrong with a file
    that cannot be read, and what to do; such a submission has no jobs here.
    """

    submission_schema: int = SUBMISSION_SCHEMA
    id: str
    experiment: str
    at: str
    host: str
    profile: Profile | None
    slots: int
    checkpoint_seconds: float
    device: Device
    snapshot: str
    roots: tuple[str, ...]
    results: str | None = Field(None, exclude=True)  # of earlier versions, and not read
    mirror: WandbMode | None = None
    cluster: str | None = None
    user: str | None = None
    keeps_networks: bool = left_out_at(False)
    snapshots: int = left_out_at(0)
    jobs: tuple[SentJob, ...]
    damage: str | None = Field(None, exclude=True)

    @property
    def name(self) -> str:
        """What SLURM calls its jobs: no others have that name, so that they are found by it."""
        return f"harness-{self.experiment}-{self.id}"

    @property
    def runs(self) -> list[str]:
        """The ids of all runs of its jobs."""
        return list(itertools.chain.from_iterable(job.runs for job in self.jobs))

    @property
    def results_then(self) -> Path | None:
        """Where the results were when it was sent off, in which the code of its jobs is."""
        code = (place for root in self.roots[:1] for place in (Path(root), *Path(root).parents))
        return next((place.parents[1] for place in code if place.name == self.snapshot), None)

    @property
    def devices(self) -> int:
        """What the hours of one of its jobs are counted in: its GPUs, or its cores where it has
        none.
        """
        return self.profile.devices if self.profile else self.slots


class JobFile(Frozen):
    """All that the worker of a job needs to know of it; job files that older versions wrote name no
    snapshot.
    """

    submission: str
    place: int
    experiment: str
    device: Device
    slots: int
    checkpoint_seconds: float
    mirror: WandbMode | None
    packs: tuple[tuple[RunSpec, ...], ...]
    ids: tuple[RunIds, ...]
    snapshot: str | None = None
    keeps_networks: bool = left_out_at(False)
    snapshots: int = left_out_at(0)


class Instruction(Frozen):
    """What was said of some runs after they were sent off; a retry undoes a cancellation and a
    quarantine.

    `by` is who or what said it; None in orders of before that was kept. A damaged order names no
    runs; `damage` says what is wrong with it.
    """

    kind: Literal["cancel", "retry"]
    at: str
    runs: tuple[str, ...]
    by: str | None = None
    damage: str | None = Field(None, exclude=True)

    @property
    def by_words(self) -> str:
        """Whose order it is, as far as it is known."""
        commands = {"cancel": "`harness cancel` or scancel", "retry": "`harness retry`"}
        return f"by {self.by or commands[self.kind]}"


def now() -> str:
    """This moment, as files have it: UTC, always as many digits, so that text sorts as time
    does.
    """
    return _moment(time.time())


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def new_id() -> str:
    """12 hex digits that nothing else has."""
    return uuid.uuid4().hex[:12]


def named_code(runs: Iterable[RunSpec]) -> list[str]:
    """The targets that runs name, and the user's own networks, families and optimisers,
    `package.module:name`.
    """
    names: set[str] = set()
    for run in runs:
        optimisers = [optimiser.name for optimiser in run.recipe.optimisers.values()]
        classes = (getattr(run.network, "module", ""), run.network.family, *optimisers)
        names.update(name for name in classes if ":" in name)
        if not (
            run.task.is_data_file or run.task.is_text_file
        ):  # whose rows are in the results folder, which jobs see
            names.add(run.task.target)
    return sorted(names)


# --------------------------------------------------------------------------------------------------
# files
def submission_folder(folder: Path, submission: str) -> Path:
    """Where a submission of the experiment in `folder` keeps its files."""
    return folder / "submissions" / submission


def write_submission(folder: Path, submission: Submission, specs: dict[str, RunSpec]) -> None:
    """The files of a submission, `submission.json` last: one that has none was never sent off."""
    own_folder = submission_folder(folder, submission.id)
    private_folder(own_folder.parent)
    own_folder.mkdir()
    of_all_jobs = JobFile.model_fields.keys() & Submission.model_fields.keys()
    shared_fields = {name: getattr(submission, name) for name in of_all_jobs}
    for place, job in enumerate(submission.jobs):
        packs = tuple(tuple(map(specs.__getitem__, pack)) for pack in job.packs)
        file = JobFile(
            submission=submission.id, place=place, packs=packs, ids=job.packs, **shared_fields
        )
        write_sealed(own_folder / f"job-{place}.json", file)
    write_sealed(own_folder / "submission.json", submission)


def read_submissions(folder: Path) -> list[Submission]:
    """All submissions of an experiment, in the order in which they were sent off."""
    submissions = []
    for own_folder in listed(folder / "submissions"):
        try:
            submissions.append(_read(own_folder / "submission.json", Submission))
        except (FileNotFoundError, NotADirectoryError):  # it was never sent off, or was taken back
            continue
        except HarnessError as error:
            submissions.append(_damaged(own_folder, str(error)))
    return sorted(submissions, key=lambda submission: submission.at)


def _damaged(own_folder: Path, damage: str) -> Submission:
    """A submission whose file is damaged, so that nobody knows what it sent off; SLURM knows its
    jobs by its name.
    """
    folder = own_folder.parents[1]
    move = (
        f"`scancel --name=harness-{folder.name}-{own_folder.name}` ends its jobs; then "
        f"remove {own_folder}"
    )
    return Submission(
        id=own_folder.name,
        experiment=folder.name,
        at=_moment(own_folder.stat().st_mtime),
        host="",
        profile=None,
        slots=1,
        checkpoint_seconds=0.0,
        device="cpu",
        snapshot="",
        roots=(),
        jobs=(),
        damage=f"{damage}; {move}",
    )


def read_job(folder: Path, submission: str, place: int) -> JobFile:
    """What the worker of a job needs."""
    path = submission_folder(folder, submission) / f"job-{place}.json"
    try:
        return _read(path, JobFile)
    except FileNotFoundError:
        problem = f"{path} is not there"
    except HarnessError as error:
        problem = str(error)
    raise HarnessError(f"{problem}; `harness submit` sends its runs off again", INCOMPLETE)


def logs_folder(folder: Path) -> Path:
    """Where jobs' output goes, and their scripts."""
    return folder / "logs"


def local_log(folder: Path, submission: str) -> Path:
    """The output of the worker of a local submission."""
    return logs_folder(folder) / f"local-{submission}.out"


def keep_number(folder: Path, submission: str, number: str) -> None:
    """Keep the number that SLURM gave the jobs, which it forgets soon after they end: their output
    is found by it.
    """
    write_whole(submission_folder(folder, submission) / "number", number)


def read_number(folder: Path, submission: str) -> str | None:
    """The number that SLURM gave the jobs, if that is known."""
    path = submission_folder(folder, submission) / "number"
    return path.read_text(encoding="utf-8") if path.exists() else None


def forget_submission(folder: Path, submission: str) -> None:
    """Take back what SLURM did not accept."""
    shutil.rmtree(submission_folder(folder, submission))


def write_order(
    folder: Path, kind: Literal["cancel", "retry"], runs: Sequence[str], by: str
) -> Path:
    """Keep what was said of some runs and by whom, as a file."""
    order = Instruction(kind=kind, at=now(), runs=tuple(runs), by=by)
    path = folder / "orders" / f"{order.at.replace(':', '')}-{new_id()}.json"
    private_folder(path.parent)
    write_sealed(path, order)
    return path


@contextmanager
def retrying(folder: Path, runs: Sequence[str]) -> Iterator[None]:
    """Order these runs to be tried again before the block sends them off; if it sends nothing off,
    take that back.
    """
    order, before = (
        write_order(folder, "retry", runs, "`harness retry`"),
        len(read_submissions(folder)),
    )
    try:
        yield
    except HarnessError:
        if len(read_submissions(folder)) == before:
            order.unlink()
        raise


def read_orders(folder: Path) -> list[Instruction]:
    """All that the user said, in the order in which it was said."""
    orders = []
    for path in listed(folder / "orders"):
        if path.suffix != ".json":
            continue
        try:
            orders.append(_read(path, Instruction))
        except HarnessError as error:
            damage = (
                f"{error}; say again what you ordered then (`harness cancel`, `harness "
                "retry`) and remove the file"
            )
            written_at = _moment(path.stat().st_mtime)
            orders.append(Instruction(kind="retry", at=written_at, runs=(), damage=damage))
    return sorted(orders, key=lambda order: order.at)


def last_orders(orders: Iterable[Instruction]) -> dict[str, Instruction]:
    """By run, what was said of it last."""
    last: dict[str, Instruction] = {}
    for order in orders:
        last |= dict.fromkeys(order.runs, order)
    return last


def cancelled(orders: Iterable[Instruction]) -> dict[str, Instruction]:
    """Runs of which the last word is that they are not wanted, and the order that said so."""
    return {run: order for run, order in last_orders(orders).items() if order.kind == "cancel"}


@contextmanager
def one_submitter(folder: Path) -> Iterator[None]:
    """Of two that submit at once into one folder of records, which experiments share, the second is
    told so.
    """
    check_writable(folder)
    message = (
        "is submitting runs of these results, or cleans them; wait for it, or remove the "
        "file if nobody is"
    )
    with locked(folder / "submit.lock", message):
        yield


def _read(path: Path, kind: type[Stored]) -> Stored:
    try:
        return kind.model_validate_json(
            json.dumps(unsealed(path.read_text(encoding="utf-8"))), strict=True
        )
    except ValueError as error:
        raise HarnessError(f"{path} is damaged ({problem_of(error)})", INCOMPLETE) from None


# ------------------------------------------------------------------------------------------------
# jobs of equal length
def bin_packs(packs: Mapping[RunIds, float], job_seconds: float, slots: int) -> list[SentJob]:
    """As few jobs as packs fill to about `job_seconds` on `slots`, all about equally long; the
    longest job first.

    Each pack has the seconds that it is predicted to take, alone on one slot. Longest packs first,
    each to the job with the least work so far. A pack that takes longer than `job_seconds` is a job
    that takes longer.
    """
    if not packs:
        return []
    number = math.ceil(sum(packs.values()) / (job_seconds * slots))
    bins: list[list[RunIds]] = [[] for _ in range(min(number, len(packs)))]
    lightest = [(0.0, index) for index in range(len(bins))]
    for pack in sorted(packs, key=lambda pack: -packs[pack]):
        filled, index = lightest[0]
        bins[index].append(pack)
        heapq.heapreplace(lightest, (filled + packs[pack], index))
    jobs = []
    for runs in bins:
        seconds = tuple(packs[pack] for pack in runs)
        jobs.append(
            SentJob(packs=tuple(runs), pack_seconds=seconds, seconds=makespan(seconds, slots))
        )
    return sorted(jobs, key=lambda job: -job.seconds)


def makespan(seconds: Sequence[float], slots: int) -> float:
    """When the last of some packs ends, if each slot takes the next one as it comes free."""
    free_at = [0.0] * slots
    for of_pack in seconds:
        heapq.heapreplace(free_at, free_at[0] + of_pack)
    return max(free_at)


def arrays(jobs: int, largest_array: int) -> Iterator[range]:
    """Jobs 0 to `jobs` - 1 as runs of at most `largest_array`, as equal as can be."""
    number = math.ceil(jobs / largest_array)
    edges = [round(jobs * index / number) for index in range(number + 1)]
    return (range(begin, end) for begin, end in itertools.pairwise(edges))
