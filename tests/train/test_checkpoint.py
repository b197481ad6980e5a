"""A pack that is stopped or killed goes on from its checkpoint, and its records show nothing of it
but the times.
"""

import hashlib
import json
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import pytest
import torch
from packs import OPTIMIZERS, after, numbers, run_of, trained_in_pieces

from harness import train
from harness.base.errors import HarnessError
from harness.base.provenance import PACKAGE, Code
from harness.families import KanShape, MlpShape
from harness.record.store import publish, read_record, record_path
from harness.spec.recipe import GridExtension, GridUpdates, Restarts
from harness.spec.run import RunSpec, run_id
from harness.train import PackStopped, Supervisor, train_pack
from harness.train.checkpoint import FORMAT, _digest, checkpoint_path, read_checkpoint

NETWORKS = {
    "kan": KanShape(shape=(2, 2, 1), grid=4),
    "mlp": MlpShape(shape=(2, 4, 1)),
    "waves": MlpShape(shape=(2, 4, 1), activation="sine", omega_0=6, features=3),
}
RECIPES = list(product(("torch", "fused"), ("kan",), OPTIMIZERS))
RECIPES += [("torch", "mlp", "batches"), ("torch", "waves", "lbfgs"), ("fused", "waves", "batches")]


def pack(
    engine: str, network: str, optimizer: str, evaluations: int = 26, runs: int = 2
) -> list[RunSpec]:
    """Runs through restarts and, of KANs, knots that move and grids that are refined."""
    course: dict = {"restarts": Restarts(count=2, evaluations=4)}
    if network == "kan":
        course["grid_extension"] = GridExtension(grids=(2, 3), evaluations=5)
        course["grid_updates"] = GridUpdates(every=3, until=12, grid_eps=0.5)
    return [
        run_of(NETWORKS[network], optimizer, evaluations, seed, engine, **course)
        for seed in range(runs)
    ]


@pytest.fixture
def _one_evaluation_a_chunk(monkeypatch):
    monkeypatch.setattr(train, "CHUNK_SECONDS", 0.0)


@pytest.mark.parametrize(("engine", "network", "optimizer"), RECIPES, ids=map("-".join, RECIPES))
def test_stopped_after_every_single_evaluation_a_pack_ends_with_the_same_bits(
    engine, network, optimizer, tmp_path, monkeypatch
):
    runs = pack(engine, network, optimizer)
    through = train_pack(runs, tmp_path / "through")
    stopped, stops = trained_in_pieces(runs, tmp_path, monkeypatch, "some attempt")

    assert stops > 20
    assert [numbers(record) for record in stopped] == [numbers(record) for record in through]
    assert {record.provenance.resumed for record in stopped} == {stops}
    assert {record.provenance.attempt for record in stopped} == {"some attempt"}
    assert {record.provenance.pack_lanes for record in stopped} == {4}
    assert not list((tmp_path / "checkpoints").iterdir())


# Processes load the same compiled kernels; this one may have compiled its own, which can differ in
# a last bit.
HEAD = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from packs import after
from test_checkpoint import RECIPES, pack
from harness import train
"""
TRAIN = (
    HEAD
    + """
train.CHUNK_SECONDS = 0.002
runs = pack(sys.argv[2], "kan", "lbfgs", int(sys.argv[3]))
supervisor = train.Supervisor(saved=print, progress=print, checkpoint_seconds=float(sys.argv[4]))
train.train_pack(runs, Path(sys.argv[1]), "cpu", supervisor, Path("checkpoints"))
"""
)


def _process(code: str, *arguments: object, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-u", "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("engine", "evaluations", "kills"),
    [("fused", 8000, 1), pytest.param("torch", 400, 2, marks=pytest.mark.nightly)],
)
def test_killed_without_warning_it_repeats_what_came_after_its_last_checkpoint(
    engine, evaluations, kills, tmp_path
):
    runs = pack(engine, "kan", "lbfgs", evaluations)
    reached = 0
    for _ in range(kills):
        process = _process(TRAIN, "killed", engine, evaluations, 0.01, folder=tmp_path)
        assert process.stdout
        resumed_at = int(process.stdout.readline())
        assert resumed_at >= reached
        saved = [resumed_at]
        for line in process.stdout:
            saved.append(int(line))
            if saved[-1] == saved[-2] > resumed_at:  # said as progress, and again as saved
                break
        reached = saved[-1]
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    for records in ("killed", "through"):
        assert _process(TRAIN, records, engine, evaluations, 60, folder=tmp_path).communicate(
            timeout=120
        )

    identities = list(map(run_id, runs))
    killed = [read_record(record_path(tmp_path / "killed", identity)) for identity in identities]
    through = [read_record(record_path(tmp_path / "through", identity)) for identity in identities]
    assert {record.provenance.resumed for record in killed} == {kills}
    assert [numbers(record) for record in killed] == [numbers(record) for record in through]


def _file(folder: Path, runs: list[RunSpec]) -> Path:
    return checkpoint_path(folder / "checkpoints", [run_id(run) for run in runs])


def test_a_pack_that_ends_soon_leaves_no_file(tmp_path):
    """Only what has trained for `checkpoint_seconds`, or is stopped, is written."""
    saved: list[int] = []
    runs = pack("torch", "mlp", "adam")
    train_pack(
        runs, tmp_path / "runs", "cpu", Supervisor(saved=saved.append), tmp_path / "checkpoints"
    )

    assert not saved
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.usefixtures("_one_evaluation_a_chunk")
def test_times_add_up_over_attempts(tmp_path):
    runs = pack("torch", "mlp", "adam")
    before = time.perf_counter()
    with pytest.raises(PackStopped):
        train_pack(runs, tmp_path / "runs", "cpu", after(20), tmp_path / "checkpoints")
    first = _read(tmp_path, runs)
    time.sleep(0.2)
    (record, _) = train_pack(runs, tmp_path / "runs", checkpoints=tmp_path / "checkpoints")

    assert record.provenance.started_at == first.started_at
    assert first.seconds < record.provenance.pack_seconds < time.perf_counter() - before - 0.2
    assert first.cpu_seconds < record.provenance.pack_cpu_seconds


@pytest.mark.usefixtures("_one_evaluation_a_chunk")
def test_killed_between_two_records_it_publishes_the_rest(tmp_path):
    runs = pack("torch", "kan", "lbfgs", runs=3)
    train_pack(runs[:1], tmp_path / "runs")
    first = record_path(tmp_path / "runs", run_id(runs[0])).read_bytes()
    with pytest.raises(PackStopped):
        train_pack(runs, tmp_path / "others", "cpu", after(9), tmp_path / "checkpoints")

    records = train_pack(runs, tmp_path / "runs", checkpoints=tmp_path / "checkpoints")

    assert [record.provenance.resumed for record in records] == [1, 1, 1]
    assert record_path(tmp_path / "runs", run_id(runs[0])).read_bytes() == first
    assert len(list((tmp_path / "runs").iterdir())) == 3
    assert not _file(tmp_path, runs).exists()


@pytest.mark.usefixtures("_one_evaluation_a_chunk")
def test_only_what_is_missing_trains_and_is_kept_under_the_name_of_its_pack(tmp_path):
    runs = pack("fused", "kan", "lbfgs", runs=3)
    (first,) = train_pack(runs[:1], tmp_path / "runs")
    with pytest.raises(PackStopped):
        train_pack(runs, tmp_path / "runs", "cpu", after(9), tmp_path / "checkpoints")

    assert _read(tmp_path, runs[1:], of=runs).runs == tuple(run_id(run) for run in runs[1:])
    records = train_pack(runs, tmp_path / "runs", checkpoints=tmp_path / "checkpoints")
    assert [record.run_id for record in records] == [run_id(run) for run in runs[1:]]
    assert numbers(first) == numbers(train_pack(runs, tmp_path / "through")[0])


def test_a_record_that_ought_to_be_the_same_and_is_not_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(train.provenance, "code", lambda: Code("c0de", dirty=False, snapshot=None))
    told: list[str] = []
    runs = pack("torch", "mlp", "adam")
    ours, _ = train_pack(runs, tmp_path / "elsewhere")
    first = ours.model_copy(update={"evaluations": ours.evaluations + 1})

    def be_first(evaluations: int) -> None:
        if not evaluations:
            publish(first, tmp_path / "runs")

    train_pack(runs, tmp_path / "runs", supervisor=Supervisor(be_first, announce=told.append))

    assert read_record(record_path(tmp_path / "runs", ours.run_id)) == first
    (kept,) = (tmp_path / "runs" / "duplicates").iterdir()
    assert numbers(read_record(kept)) == numbers(ours)
    (sentence,) = told
    assert sentence.startswith(
        f"run {ours.run_id}: two records differ though code and kind of machine are the same"
    )
    assert sentence.endswith(f"; the second one is kept in {kept}")


def _read(folder, runs, of=None, announce=pytest.fail):
    numerics = train._numerics(runs[0].engine, "cpu")
    ids = [run_id(run) for run in runs]
    return read_checkpoint(
        _file(folder, of or runs), ids, runs[0].recipe, numerics, "cpu", announce
    )


@pytest.fixture
def stopped(tmp_path, _one_evaluation_a_chunk) -> list[RunSpec]:
    runs = pack("torch", "mlp", "lbfgs")
    with pytest.raises(PackStopped):
        train_pack(runs, tmp_path / "runs", "cpu", after(9), tmp_path / "checkpoints")
    return runs


def _trains_from_the_beginning(folder: Path, runs: list[RunSpec]) -> str:
    told: list[str] = []
    supervisor = Supervisor(announce=told.append)
    records = train_pack(runs, folder / "runs", "cpu", supervisor, folder / "checkpoints")
    assert {record.provenance.resumed for record in records} == {0}
    (sentence,) = told
    return sentence


@pytest.mark.parametrize("where", [0, 70, 200, -1, "cut 0", "cut 1", "cut 64", "cut 65", "cut 500"])
def test_a_changed_byte_or_a_torn_file_is_seen_and_the_file_is_moved_aside(
    where, stopped, tmp_path
):
    file = _file(tmp_path, stopped)
    whole = bytearray(file.read_bytes())
    if isinstance(where, str):
        del whole[int(where.removeprefix("cut ")) :]
    else:
        whole[where] ^= 1
    file.write_bytes(whole)

    told = _trains_from_the_beginning(tmp_path, stopped)

    assert told == (
        f"{file} is damaged and was moved to {file.stem}.damaged; its pack starts from the "
        "beginning"
    )
    assert file.with_suffix(".damaged").read_bytes() == whole


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.int32, torch.int16, torch.int8, torch.uint8]
)
def test_the_state_of_an_optimiser_of_ones_own_may_have_any_numbers(dtype, tmp_path):
    state = torch.zeros(3, dtype=dtype)
    train.checkpoint.write_checkpoint(
        train.Checkpoint(("a",), {}, 1, "now", state), tmp_path / "a.checkpoint"
    )
    assert (tmp_path / "a.checkpoint").stat().st_size > state.nbytes


def _forge(file: Path, change: Callable[[dict], None] = lambda tree: None) -> None:
    """Change what a checkpoint says, with a digest that is right."""
    with open(file, "rb") as opened:
        _, text, arrays = opened.readline(), opened.readline(), opened.read()
    tree = json.loads(text)
    change(tree)
    text = json.dumps(tree).encode() + b"\n"
    file.write_bytes(FORMAT + _digest(text, arrays) + b"\n" + text + arrays)


class Payload:
    """What a pickle of would leave a file when it is read."""

    def __reduce__(self):
        return (Path.touch, (Path("payload"),))


def _change(*keys, to) -> Callable[[dict], None]:
    def change(tree: dict) -> None:
        for key in keys[:-1]:
            tree = tree[key]
        tree[keys[-1]] = to(tree[keys[-1]]) if callable(to) else to

    return change


POSITION = ("state", "optimiser", "position_RP")
LOOP = ("state", "optimiser", "by_lane", 0)
FORGED = {
    "no state": _change("state", to=None),
    "another type": _change("state", "stage", to="first"),
    "a field more": _change("state", to=lambda state: state | {"__class__": "os.system"}),
    "a field less": _change(
        "state", "optimiser", to=lambda state: {"position_RP": state["position_RP"]}
    ),
    "no JSON types": _change("runs", to={"a": 1}),
    "an array for a tensor": _change(*POSITION, to=lambda node: {"array": node["tensor"]}),
    "objects": _change(*POSITION, "tensor", 0, to="|O"),
    "more than there is": _change(*POSITION, "tensor", 1, to=[4, 10**9]),
    "far more": _change(*POSITION, "tensor", 1, to=[2**59, 2**59, 2**59]),
    "negative": _change(*POSITION, "tensor", 1, to=[-4, -9]),
    "no place": _change(*POSITION, "tensor", to="here"),
    "nested for ever": _change("state", to=lambda state: json.loads("[" * 900 + "]" * 900)),
}
UNFIT = {
    "nothing, far away": _change(*POSITION, "tensor", to=["<f8", [0, 2**59], 2**59]),
    "other dtype": _change(*POSITION, "tensor", 0, to="<i8"),
    "other shape": _change(*POSITION, "tensor", 1, to=lambda shape: [shape[0] // 2, shape[1] * 2]),
    "other rank": _change(*POSITION, "tensor", 1, to=lambda shape: [*shape, 1]),
    "other stage": _change("state", "stage", to=9),
    "other place": _change("state", "done", to=-1),
    "other network": _change("state", "network", "shape", to=[2, 3, 1]),
    "other lanes": _change("state", "lanes", to=lambda lanes: lanes[1:]),
    "work of no stage": _change("state", "spent", to=lambda spent: []),
}
UNFIT_FUSED = {
    "other dtype": _change(*LOOP, "position_P", "array", 0, to="<i8"),
    "other shape": _change(*LOOP, "steps_MP", "array", 1, to=lambda shape: [shape[0], 1]),
    "other knots": _change("state", "knots", 0, "tensor", 1, to=lambda shape: [*shape[:2], 1]),
    "other run": _change("state", "lanes", 0, 0, to=7),
    "other optimiser": _change(
        *LOOP, to=lambda state: LEVENBERG | {"position_P": state["position_P"]}
    ),
}
LEVENBERG = dict.fromkeys(("loss", "damping", "growth"), 0.5) | dict.fromkeys(
    ("iterations", "evaluations", "refused_steps", "finished", "diverged"), 0
)


@pytest.mark.usefixtures("_one_evaluation_a_chunk")
def test_a_forged_file_is_refused_and_moved_aside(here):
    """Its digest is right, its content is not: nothing of it is run, and its pack starts from the
    beginning.
    """
    runs = {engine: pack(engine, "kan", "lbfgs", runs=1) for engine in ("torch", "fused")}
    whole = {}
    for engine, own in runs.items():
        with pytest.raises(PackStopped):
            train_pack(own, here / "runs", "cpu", after(9), here / "checkpoints")
        whole[engine] = _file(here, own).read_bytes()
    cases = [("torch", name, change, "is damaged") for name, change in FORGED.items()]
    cases += [
        ("torch", name, change, "is not of the networks of its runs")
        for name, change in UNFIT.items()
    ]
    cases += [
        ("fused", name, change, "is not of the networks of its runs")
        for name, change in UNFIT_FUSED.items()
    ]
    for engine, name, change, why in cases:
        file = _file(here, runs[engine])
        file.write_bytes(whole[engine])
        _forge(file)
        assert _read(here, runs[engine]), "the forger changed more than was asked for"
        _forge(file, change)
        forged, told = file.read_bytes(), []
        supervisor = Supervisor(announce=told.append, stop=lambda: True)
        with pytest.raises(PackStopped):
            train_pack(runs[engine], here / "runs", "cpu", supervisor, here / "checkpoints")
        aside = f"and was moved to {file.stem}.damaged; its pack starts from the beginning"
        assert told == [f"{file} {why} {aside}"], name
        assert file.with_suffix(".damaged").read_bytes() == forged


def test_a_pickled_file_of_an_earlier_version_is_refused_unread(stopped, here):
    """Reading a pickle can run what it says; so its pack starts from the beginning."""
    file = _file(here, stopped)
    body = b'{"runs": []}\n' + pickle.dumps(Payload())
    file.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)

    told = _trains_from_the_beginning(here, stopped)

    assert told == f"{file} was written by an earlier version; its pack starts from the beginning"
    assert not Path("payload").exists()


def test_nothing_unpickles():
    """But for pipes between own processes, and kept laws, whose reader knows own types
    (tests/judging/test_kept.py).
    """
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert "pickle.load" not in sources.pop(PACKAGE / "judging" / "kept.py")
    words = (
        "import pickle",
        "pickle.load",
        "torch.load",
        "allow_pickle=True",
        "joblib",
        "marshal",
        "shelve",
    )

    for word in words:
        assert [path for path, text in sources.items() if word in text] == []


def test_under_other_numerics_it_starts_from_the_beginning(stopped, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "instruction_set", lambda engine: "AVX1024")

    told = _trains_from_the_beginning(tmp_path, stopped)

    assert "comes from other numerics (instruction_set " in told
    assert ", here AVX1024)" in told


def test_a_pack_goes_on_with_the_threads_that_it_began_with(tmp_path):
    runs, seen = pack("torch", "mlp", "batches"), set()
    through = train_pack(runs, tmp_path / "through", threads=2)
    with pytest.raises(PackStopped):
        train_pack(runs, tmp_path / "stopped", "cpu", after(2), tmp_path / "checkpoints", threads=2)

    looking = Supervisor(progress=lambda evaluations: seen.add(torch.get_num_threads()))
    resumed = train_pack(
        runs, tmp_path / "stopped", "cpu", looking, tmp_path / "checkpoints", threads=1
    )

    assert seen == {2}
    assert [(record.provenance.threads, record.provenance.resumed) for record in resumed] == [
        (2, 1)
    ] * 2
    assert [numbers(record) for record in resumed] == [numbers(record) for record in through]
    assert torch.get_num_threads() == 1


def test_the_checkpoint_of_other_runs_is_not_read(stopped, tmp_path):
    others = pack("torch", "mlp", "adam")
    _file(tmp_path, stopped).rename(_file(tmp_path, others))

    assert f"does not have run {min(map(run_id, others))}" in _trains_from_the_beginning(
        tmp_path, others
    )


@contextmanager
def no_file_can_grow():
    """Every write to a file of the disk fails, as on a full one. No fixture: pytest's own output
    may go to a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("_one_evaluation_a_chunk")
def test_a_disk_that_is_full_is_told_once_and_training_goes_on(tmp_path):
    told, heard, runs = [], [], pack("torch", "mlp", "lbfgs")
    supervisor = Supervisor(
        heard.append, saved=pytest.fail, announce=told.append, checkpoint_seconds=0.0
    )

    with pytest.raises(HarnessError) as raised, no_file_can_grow():
        train_pack(runs, tmp_path / "runs", "cpu", supervisor, tmp_path / "checkpoints")

    assert told == [
        f"{_file(tmp_path, runs)}: File too large; training goes on without new checkpoints"
    ]
    assert heard[-1] == 22  # of each of two starts 4 are made
    assert str(raised.value).startswith(
        f"record {record_path(tmp_path / 'runs', run_id(runs[0]))}: File too large; "
    )
    assert raised.value.exit_code == 3
    assert not list((tmp_path / "checkpoints").iterdir())
    assert not list((tmp_path / "runs").iterdir())


@pytest.mark.usefixtures("_one_evaluation_a_chunk")
def test_the_checkpoint_outlives_a_record_that_cannot_be_written(stopped, tmp_path):
    (tmp_path / "runs").symlink_to("/proc/self/no such folder")
    with pytest.raises(HarnessError, match="nothing of it was written"):
        train_pack(stopped, tmp_path / "runs", checkpoints=tmp_path / "checkpoints")
    (tmp_path / "runs").unlink()

    records = train_pack(stopped, tmp_path / "runs", checkpoints=tmp_path / "checkpoints")

    assert {record.provenance.resumed for record in records} == {1}
