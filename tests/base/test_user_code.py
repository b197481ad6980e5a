"""Code of the user's may do anything: it never decides how the harness ends, nor lets one run be
two.
"""

import contextlib
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from harness.cli import main
from harness.count.module import module_network
from harness.dispatch import slots
from harness.families import MlpShape, Module
from harness.optimisers import Adam
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import draw, resolve
from tests.odd_user_code import ACCEPTED, BEGIN, FUNCTIONS, IN_FLOAT32, LINEAR, NETWORKS, REFERENCES

EXPERIMENT = """
question: Is it accepted?
tasks: TASK
arms:
  arm: {ARM, sizes: {width: [4]}, recipe: fast}
recipes:
  fast: {optimizer: {name: lbfgs}, max_evaluations: 12}
seeds: [0]
"""
MLP = "architecture: {family: mlp, depth: 2}"
FEW = "inputs: 2, train_points: 50, validation_points: 50, test_points: 50"
POINTS = {
    "less the mean": FEW,
    "by the number of points": FEW,
}  # fewer than are tried a second time elsewhere


@pytest.fixture
def folder(here, monkeypatch):
    """A folder of the user's, as the current one, whose modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield here
    for name in set(sys.modules) - before:
        if name.startswith("odd_"):
            del sys.modules[name]


def cases():
    """(case, source of its module NAME, task, arm, dtype, what must be said) of every row."""
    for case, row in FUNCTIONS.items():
        source, said = (row, ACCEPTED) if isinstance(row, str) else row
        yield (
            case,
            BEGIN + source,
            f"{{target: 'NAME:f', {POINTS.get(case, 'inputs: 2')}}}",
            MLP,
            "float64",
            said,
        )
    for case, (reference, source, said) in REFERENCES.items():
        yield case, source, f"{{target: '{reference}', inputs: 2}}", MLP, "float64", said
    for case, row in NETWORKS.items():
        source, said = (row, ACCEPTED) if isinstance(row, str) else row
        dtype = "float32" if case in IN_FLOAT32 else "float64"
        yield case, BEGIN + LINEAR + source, "[xy]", "module: 'NAME:Net', size: width", dtype, said


def write(folder, name, source, task, arm=MLP, dtype="float64"):
    """The user's module and an experiment that asks for it as NAME; the arguments of `harness` that
    look at them.
    """
    (folder / f"{name}.py").write_text(source)
    text = (
        EXPERIMENT.replace("TASK", task).replace("ARM", arm).replace("NAME", name)
        + f"dtype: {dtype}\n"
    )
    (folder / f"{name}.yaml").write_text(text)
    return ["validate", f"{name}.yaml", "--json"]


def wrong(done, said):
    """What is not as it must be, if anything: JSON alone on stdout, or exit 2 and one line that
    says why.
    """
    about = f"exit {done.exit_code}: {done.stdout} {done.stderr} {done.exception!r}"
    if said == ACCEPTED:
        with contextlib.suppress(ValueError):
            return "" if done.exit_code == 0 and json.loads(done.stdout)["runs"] == 1 else about
        return f"stdout is no JSON: {about}"
    errors = re.findall("^(?!importing ).*", done.stderr.strip(), re.MULTILINE)
    is_one_line = len(errors) == 1 and errors[0].startswith("error: ") and len(errors[0]) < 1200
    return (
        ""
        if done.exit_code == 2 and is_one_line and said in errors[0] and not done.stdout
        else about
    )


@pytest.mark.filterwarnings("ignore")  # the user's are no errors
def test_odd_tasks_and_networks_are_accepted_or_refused_in_a_line(folder):
    """Each ends as its row says, and leaves this process as it was: folder, generators, signals,
    streams.
    """
    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    torch_state, handler, errors = (
        torch.random.get_rng_state(),
        signal.getsignal(signal.SIGINT),
        np.geterr(),
    )

    found = []
    for number, (case, *files, said) in enumerate(cases()):
        name = f"odd_{number}"
        done = CliRunner().invoke(main, write(folder, name, *files))
        if problem := wrong(done, said.replace("NAME", name)):
            found.append(f"{case}: {problem}")

    assert not found, "\n".join(found)
    assert os.getcwd() == str(folder)
    assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002
    assert (random.getstate(), np.geterr(), signal.getsignal(signal.SIGINT)) == (
        python_state,
        errors,
        handler,
    )
    assert torch.equal(torch.random.get_rng_state(), torch_state)


def test_a_task_that_changes_its_points_learns_at_the_points_that_were_drawn(folder):
    """The function gets a copy, so that Samples has the points of its seed."""
    (folder / "odd_doubling.py").write_text("def f(x):\n    x *= 2\n    return x[:, 0]\n")
    train = draw(resolve(Task(target="odd_doubling:f", inputs=1)), 0).train
    assert np.abs(train.x).max() <= 1
    assert np.array_equal(train.y, 2 * train.x)


def harness(folder, *arguments):
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


THREADS = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
def talk():
    while True:
        print(end="", flush=True)
POOL = ThreadPoolExecutor()
POOL.submit(talk)
threading.Thread(target=time.sleep, args=(1000,)).start()
def f(x): return x[:, 0]
"""


def test_the_command_ends_though_threads_of_the_users_do_not(tmp_path):
    arguments = write(tmp_path, "odd_threads", THREADS, "{target: 'NAME:f', inputs: 2}")
    with harness(tmp_path, *arguments) as process:
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert json.loads(stdout)["runs"] == 1


SWALLOWS = """
import os, time
def f(x):
    try:
        open("begun", "w").close()
        time.sleep(1000)
    except BaseException:
        raise SystemExit(0)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_in_code_of_the_users_ends_the_command_with_130(tmp_path):
    """A real one does, also where the code takes it for something else; one that the code raises is
    a mistake in it.
    """
    arguments = write(tmp_path, "odd_sleep", SWALLOWS, "{target: 'NAME:f', inputs: 2}")
    with harness(tmp_path, *arguments) as process:
        until = time.monotonic() + 60
        while not (tmp_path / "begun").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert "importing odd_sleep from" in stderr.splitlines()[0]
    assert stderr.splitlines()[1:] == [
        "",
        "stopping",
        "stopped; run the same command again to go on",
    ]


IN_WORKERS = """
import multiprocessing, sys, threading, time
from torch import nn
def in_worker(): return multiprocessing.parent_process() is not None
def f(x):
    if in_worker(): threading.Thread(target=time.sleep, args=(1000,)).start()
    print("hello")
    return x[:, 0]
class Net(nn.Linear):
    def __init__(self, inputs, outputs, width): super().__init__(inputs, outputs)
    def forward(self, x):
        if in_worker(): sys.exit(0)
        return super().forward(x)
"""


@pytest.mark.nightly
def test_a_worker_outlives_code_that_exits_and_does_not_wait_for_threads(tmp_path):
    both = f"{MLP}, sizes: {{width: [4]}}, recipe: fast}}\n  own: {{module: 'NAME:Net', size: width"
    write(tmp_path, "odd_workers", IN_WORKERS, "{target: 'NAME:f', inputs: 1}", both)
    with harness(tmp_path, "run", "odd_workers.yaml", "--workers", "1") as process:
        stdout, stderr = process.communicate(timeout=600)
    assert process.returncode == 3, stderr
    assert (
        "1 pack crashed (first: code of a task or network tried to end the process (SystemExit: 0))"
        in stderr
    )
    assert "Traceback" not in stderr
    assert len(list((tmp_path / "results" / "runs").glob("*.json"))) == 1
    assert "hello" in stderr
    assert "hello" not in stdout


class Exits(torch.nn.Linear):
    """Ends the process when it gets data."""

    def __init__(self, inputs, outputs, width):
        super().__init__(inputs, outputs)

    def forward(self, x):
        if x.device.type == "cpu":
            sys.exit(0)
        return super().forward(x)


def exits(x):
    sys.exit("bye")


def test_code_that_exits_while_it_trains_is_a_failure_of_its_pack(tmp_path):
    module = module_network(
        Module(family="module", module=f"{__name__}:Exits", size="width"), 2, 1, 1
    )
    mine = Task(target=f"{__name__}:exits", inputs=2)
    said = {
        f"target {__name__}:exits, for x of shape (1000, 2): SystemExit: bye": (
            mine,
            MlpShape(shape=(2, 3, 1)),
        ),
        "code of a task or network tried to end the process (SystemExit: 0)": (
            Task(target="xy"),
            module,
        ),
    }
    recipe = Recipe(optimizer=Adam(name="adam"), max_evaluations=10)
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        for text, (task, network) in said.items():
            run = RunSpec(
                task=resolve(task), network=network, recipe=recipe, seed=0, engine="torch"
            )
            told = slots._train(
                (run,), slots.TrainingOrder(tmp_path, None, "cpu", None, 60.0), theirs, os.getppid()
            )

            assert (told.cause, told.error) == ("crashed", text)
            assert "sys.exit" in told.traceback
