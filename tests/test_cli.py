"""The command line as a user meets it: the main job, its interruption, its help, and every bad
input.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from commands import invoke, json_of, said
from made_searched import TEXT as SEARCHED

from harness.base.json_text import FORMAT
from harness.cli import main
from harness.cli.group import imported
from harness.dispatch import here
from harness.dispatch.slots import Failure
from harness.record import store

TINY = """
question: Does a tiny sweep run from end to end?
tasks: [xy]
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: fast}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast}
match: {axis: params, at: [30, 60, 120], tol: 0.2, solve: {kan: grid, mlp: width}}
recipes:
  fast: {optimizer: {name: lbfgs}, max_evaluations: 12}
seeds: [0, 1]
"""
MULTIPLIER_RULE = """
decide: [{claim: needs less, quantity: multiplier, sides: [kan, mlp], threshold: 1, at_least: 1}]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder in which the tiny experiment has run, though whoever read its output left at once,
    as `| head -1`.
    """
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.yaml").write_text(TINY)
    command = [sys.executable, "-m", "harness", "run", "tiny.yaml", "--workers", "1"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        running.stdout.readline()
        running.stdout.close()
        code, said = running.wait(240), running.stderr.read()
    assert code == 0, said
    assert not re.search("error|\x1b", said)
    assert "Ctrl-C stops it" in said.splitlines()[1]  # two lines, and then it trains
    (folder / "said.txt").write_text(said)
    return folder


def test_run_leaves_table_fits_figures_and_report(finished):
    folder = finished / "results" / "tiny"
    table = pd.read_csv(folder / "runs.csv")
    assert len(table) == 2 * 3 * 2
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "runs.parquet"), table, check_dtype=False
    )
    laws = json.loads((folder / "fits.json").read_text())["laws"]
    assert {(one["series"], one["axis"], law) for one in laws for law in one["fits"]} >= {
        (arm, axis, law)
        for arm in ("kan", "mlp")
        for axis in ("params.trainable", "flops_train.shared_dense")
        for law in ("pure", "floor")
    }
    assert (folder / "scaling.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "scaling.pdf").read_bytes().startswith(b"%PDF")
    assert "Does a tiny sweep run" in (folder / "report.html").read_text()


def test_progress_tells_the_error_by_which_networks_are_chosen(finished):
    """The least test error of all runs would be a look at the test rows, and lower than what the
    answer says.
    """
    last = [
        line
        for line in (finished / "said.txt").read_text().splitlines()
        if "100% (12/12 runs)" in line
    ][-1]
    best = (
        pd.read_csv(finished / "results" / "tiny" / "runs.csv")
        .groupby("arm")["val_loss"]
        .min()
        .sort_values()
    )
    in_words = ", ".join(f"{arm} {loss:.2g}" for arm, loss in best.items())
    assert f"{in_words} on xy (best validation RMSE)" in last


def test_a_scale_has_its_own_folder_and_shares_records(finished, monkeypatch):
    monkeypatch.chdir(finished)
    Path("scaled.yaml").write_text(TINY + "scales: {short: {seeds: [0]}}\n")
    said("plan", "scaled.yaml", "--scale", "short")
    assert said("status", "results/scaled-short").startswith("scaled-short: 6 planned, 6 done")


def test_running_again_trains_nothing_and_changes_no_record(finished, monkeypatch):
    records = {path: path.read_bytes() for path in (finished / "results" / "runs").iterdir()}
    read = []
    monkeypatch.setattr(
        store, "_checked", lambda path, real=store._checked: (read.append(path), real(path))[1]
    )
    monkeypatch.chdir(finished)
    done = invoke("run", "tiny.yaml")
    assert done.exit_code == 0
    assert sorted(path.name for path in read) == sorted(path.name for path in records)
    assert "all 12 runs have records" in done.stderr
    assert {
        path: path.read_bytes() for path in (finished / "results" / "runs").iterdir()
    } == records


@pytest.mark.parametrize("command", ["status", "fit", "report"])
def test_an_edited_file_is_not_taken_for_the_plan(command, finished, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY + "window: {kan: {max: 100}}\n")
    done = said(
        command, str(tmp_path / "tiny.yaml"), "--results", str(finished / "results"), exit_code=2
    )
    assert "is not what was planned (it differs in: window)" in done


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process group")
@pytest.mark.parametrize(
    "ended_by", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)]
)
def test_ctrl_c_keeps_finished_packs_and_the_same_command_goes_on(ended_by, tmp_path, monkeypatch):
    """Interrupted after the first pack: exit code 3, a sentence that says how to go on, and only
    the rest is redone.
    """
    # Adam never comes to rest, so that all runs together take some seconds.
    slow = TINY.replace("name: lbfgs}, max_evaluations: 12", "name: adam}, max_evaluations: 6000")
    few = slow.replace("[30, 60, 120]", "[60, 120]")
    assert TINY != slow != few
    (tmp_path / "tiny.yaml").write_text(few)
    command = [sys.executable, "-u", "-m", "harness", "run", "tiny.yaml", "--workers", "1"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not list((tmp_path / "results" / "runs").glob("*.json")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        os.killpg(process.pid, ended_by) if ended_by == signal.SIGINT else process.terminate()
        _, errors = process.communicate(timeout=120)
    kept = {path.name: path.read_bytes() for path in (tmp_path / "results" / "runs").glob("*.json")}

    assert process.returncode == 3, errors
    assert re.search(
        r"\nstopping\nstopped: \d+ of 8 runs have records; run the same command again to go on\n$",
        errors,
    )
    assert "Traceback" not in errors
    assert 1 <= len(kept) < 8
    assert not list((tmp_path / "results" / "runs").glob(".*"))
    monkeypatch.chdir(tmp_path)
    assert f"{8 - len(kept)} missing" in said("status", "tiny.yaml", exit_code=3)

    resumed = invoke("run", "tiny.yaml", "--workers", "1").stderr

    assert f"({8 - len(kept)}/{8 - len(kept)} runs)" in resumed
    after = {
        path.name: path.read_bytes() for path in (tmp_path / "results" / "runs").glob("*.json")
    }
    assert len(after) == 8
    assert kept.items() <= after.items()


@pytest.mark.nightly
def test_ctrl_c_while_compiling_stops_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = [sys.executable, "-u", "-m", "harness", "run", "tiny.yaml"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert any("compiling kernels" in line for line in process.stderr)
        time.sleep(3)
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.2)
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 3
    assert "stopped: 0 of 12 runs have records" in errors
    assert "Traceback" not in errors


def test_workers_share_what_is_compiled_also_where_it_cannot_be_kept(monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", "/dev/null/cache")
    with here._shared_cache() as told:
        assert told == ", not kept: /dev/null/cache cannot be written"
        assert Path(os.environ["HARNESS_CACHE"]).is_dir()
    assert os.environ["HARNESS_CACHE"] == "/dev/null/cache"


def test_a_plan_says_where_one_arm_has_a_choice_of_recipes_that_others_lack(tmp_path):
    free = re.sub(r"  recipes: .*\n", "", SEARCHED)
    texts = {
        "all": SEARCHED,
        "nobody": free,
        "one": free.replace(
            "space: {architecture.order", "space: {recipe: [lbfgs, levenberg], architecture.order"
        ),
        "both": free.replace("space: {", "space: {recipe: [lbfgs, levenberg], "),
    }
    noted = {}
    for name, text in texts.items():
        file = tmp_path / f"{name}.yaml"
        file.write_text(text)
        lines = said("plan", file, "--results", tmp_path / "results").splitlines()
        noted[name] = [line for line in lines if line.startswith("note: arms")]

    words = (
        "note: arms have different recipes to choose from (kan: lbfgs, levenberg; mlp: lbfgs); "
        "`search.recipes` gives all the same choice"
    )
    assert noted == {"all": [], "nobody": [], "one": [words], "both": []}


@pytest.mark.parametrize(
    ("option", "told"), [("--quiet", "`2>/dev/null` hides it"), ("--json", "is in answer.json")]
)
def test_what_run_has_no_option_for_has_another_way(option, told):
    refused = invoke("run", "experiments/quickstart.yaml", option)
    assert refused.stderr.startswith(f"error: {option}: no such option; ")
    assert told in refused.stderr


def test_every_command_has_help_with_an_example():
    for name in main.commands:
        shown = invoke(name, "--help").output
        assert imported(name).help
        assert f"Example: harness {name}" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fit", "a.csv", "--y", "loss", "--y=rmse"), "--y is there twice, as loss and rmse"),
        (
            ("design", "a.csv", "--arms", "a", "b", "--arms", "c", "d"),
            "--arms is there twice, as a b and c d",
        ),
        (
            ("run", "a.yaml", "--workers", "2", "--set", "a=1", "--set", "b=2", "--workers", "3"),
            "as 2 and 3; it takes one",
        ),
    ],
)
def test_an_option_of_one_value_is_taken_once(words, told):
    """Those that may be repeated stay as they are."""
    assert told in invoke(*words).stderr
    repeated = invoke("fit", "a.csv", "--x", "a", "--x", "b", "--y", "loss")
    assert "a.csv is not there" in repeated.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("submit", "a.yaml", "--max-gpu-hours", "nan"),
        ("design", "a.csv", "--budget", "nan"),
        ("compare", "a.csv", "a", "b", "--budget", "inf"),
        ("fit", "a.csv", "--level", "nan"),
    ],
)
def test_a_number_is_finite(words):
    done = invoke(*words)
    assert done.exit_code == 2
    assert f"{words[-1]!r} is no finite number" in done.stderr


def test_the_group_knows_the_short_help_of_each_command():
    for name, stand_in in main.commands.items():
        command = imported(name)
        assert command.name == name
        assert stand_in.get_short_help_str(80) == command.get_short_help_str(80)


def _loaded_by(code: str) -> set[str]:
    """The modules that are loaded when some code has run in a process of its own."""
    code = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stderr.split()
    )


HEAVY = {"torch", "pandas", "scipy", "numpy"}
COMMAND = (
    "from harness.cli import main; from contextlib import suppress\nwith "
    "suppress(SystemExit): main({})"
)
LIGHT = {  # code, and what it loads no module of
    "help": (COMMAND.format(["--help"]), HEAVY | {"pydantic", "rich", "harness.cli.commands"}),
    "help of all commands": (
        "\n".join(COMMAND.format([name, "--help"]) for name in main.commands),
        {"torch", "pandas", "scipy.stats", "matplotlib"},
    ),
    "completion of a replay's name": (
        "import os; os.environ |= {'_HARNESS_COMPLETE': 'bash_complete', 'COMP_WORDS': 'harness "
        "replay f', "
        "'COMP_CWORD': '2'}\n" + COMMAND.format("[], 'harness'"),
        HEAVY | {"pydantic", "rich"},
    ),
    "a look at a sweep, and a worker before it trains": (
        "import harness.show.sweeps, harness.dispatch.reconcile, harness.dispatch.worker",
        {"torch", "pandas"},
    ),
    "the package": ("import harness", HEAVY | {"pydantic", "click"}),
    "reading a rule": (
        "from harness.spec.read import parse_experiment\n"
        f"parse_experiment({TINY + MULTIPLIER_RULE!r})",
        {"torch", "pandas", "scipy.stats", "scipy.optimize"},
    ),
    "planning, and what was measured": ("import harness.planning.plan, harness.measure", {"torch"}),
}


@pytest.mark.parametrize("what", LIGHT)
def test_what_is_asked_again_and_again_loads_nothing_slow(what):
    code, heavy = LIGHT[what]
    loaded = _loaded_by(f"sys.path.append({str(Path(__file__).parent)!r})\n{code}")
    assert not {name for name in loaded if name in heavy or name.rpartition(".")[0] in heavy}


def test_a_law_of_a_table_loads_nothing_of_experiments(tmp_path):
    """It is the first thing that a stranger runs. So many modules were reached; lower it."""
    table = tmp_path / "runs.csv"
    table.write_text("n,y\n10,1\n30,0.6\n100,0.3\n300,0.2\n1000,0.1\n")
    loaded = _loaded_by(COMMAND.format(["fit", str(table), "--x", "n", "--y", "y"]))
    ours = {name for name in loaded if name.partition(".")[0] == "harness"}
    assert len(ours) <= 130
    rooms = {name.split(".")[1] for name in ours if "." in name}
    assert not rooms & {"dispatch", "measure", "nn", "paper", "planning", "tasks", "train"}


def test_a_look_at_a_sweep_is_light_and_loads_no_other_command(finished):
    loaded = _loaded_by(COMMAND.format(["status", str(finished / "results" / "tiny")]))
    assert {name for name in loaded if name.startswith("harness.cli.commands.")} == {
        "harness.cli.commands.status"
    }
    assert not HEAVY & loaded


def test_python_m_harness_is_the_command():
    """With and without the name of the room, as jobs that were sent off before have it."""
    for module in ("harness", "harness.cli"):
        done = subprocess.run(
            [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
        )
        assert done.stdout == invoke("--version").stdout


def test_plan_shows_asked_achieved_and_infeasible(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace("at: [30,", "at: [3, 30,"))
    shown = said("plan", str(file), "--results", str(tmp_path / "results"))
    assert (
        "infeasible: xy kan: params.trainable=3 cannot be met within 20%; nearest: grid=1 gives 30"
        in shown
    )
    assert "uncalibrated" in shown
    assert (tmp_path / "results" / "tiny" / "manifest.json").exists()


def test_plan_shows_ten_sizes_unless_all_are_asked_for(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.replace("at: [30, 60, 120]", "at: [30, 42, 60, 84, 120, 168, 240]"))
    plan = ["plan", str(file), "--results", str(tmp_path)]
    assert "and 4 more; --all shows them" in (few := invoke(*plan).output)
    assert [text.count("│ xy") for text in (few, invoke(*plan, "--all").output)] == [10, 14]


def test_plan_as_json_is_the_manifest(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    shown = json_of("plan", file, "--results", tmp_path)
    frozen = json.loads((tmp_path / "tiny" / "manifest.json").read_text())
    assert {**shown, "checksum": frozen["checksum"]} == {"format": FORMAT, **frozen}


def test_a_full_disk_is_no_mistake(disk, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    command = ("plan", str(tmp_path / "tiny.yaml"), "--results", str(tmp_path / "results"))
    small = disk(tmp_path / "results")
    small.fill()
    assert "No space left on device; make room there, and run the same command again" in said(
        *command, exit_code=3
    )
    small.make_room()
    assert invoke(*command).exit_code == 0


def test_an_unwritable_results_folder_is_named(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    whys = {
        "taken": "/tiny: Not a directory",
        "broken": f": a link to {tmp_path / 'gone'}, which is not",
    }
    for name, why in whys.items():
        done = said(
            "run", str(tmp_path / "tiny.yaml"), "--results", str(tmp_path / name), exit_code=2
        )
        assert f"error: {tmp_path / name}{why}" in done
        assert "choose another --results folder" in done
    assert (tmp_path / "taken").read_text() == "a file"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_that_cannot_be_written_is_told(finished, monkeypatch, capsys):
    for command in (["status", str(finished / "results" / "tiny")], ["run", "--help"]):
        with open("/dev/full", "w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            with pytest.raises(SystemExit) as ended:
                main(command)
        assert ended.value.code == 3
        assert capsys.readouterr().err.startswith(
            "error: standard output: No space left on device; "
        )


@pytest.mark.parametrize("command", ["status", "fit", "report"])
def test_no_plan_yet_says_how_to_make_one(command, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    unplanned = said(command, tmp_path / "tiny.yaml", "--results", tmp_path, exit_code=2)
    assert "no plan yet; make one with `harness plan FILE`" in unplanned
    absent = said(command, "never.yaml", "--results", tmp_path, exit_code=2)
    assert "never.yaml: No such file or directory" in absent


@pytest.mark.parametrize("stem", ["runs", "reference"])
def test_reserved_names_are_refused(stem, tmp_path):
    (tmp_path / f"{stem}.yaml").write_text(TINY)
    done = said("plan", str(tmp_path / f"{stem}.yaml"), "--results", str(tmp_path), exit_code=2)
    assert "is kept for something else" in done


def test_an_output_that_is_a_folder_is_named(finished, tmp_path):
    shutil.copytree(finished / "results", tmp_path / "results")
    (tmp_path / "results" / "tiny" / "runs.csv").unlink()
    (tmp_path / "results" / "tiny" / "runs.csv").mkdir()
    done = invoke("fit", str(tmp_path / "results" / "tiny"))
    assert done.exit_code == 2
    assert (
        "runs.csv: Is a directory; move it away or choose another --results folder" in done.stderr
    )
    assert "α, E = 0" in done.stdout


def test_names_with_square_brackets_are_shown_as_they_are(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY.replace("kan:", "'[red]':"))
    assert "[red]" in invoke("plan", str(tmp_path / "tiny.yaml"), "--results", str(tmp_path)).output


@pytest.mark.parametrize("command", ["fit", "report"])
def test_an_incomplete_plan_is_not_analysed(command, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    invoke("plan", str(tmp_path / "tiny.yaml"), "--results", str(tmp_path))
    done = said(command, str(tmp_path / "tiny.yaml"), "--results", str(tmp_path), exit_code=3)
    assert "12 of 12 runs of tiny have no record" in done
    assert [path.name for path in (tmp_path / "tiny").iterdir()] == ["manifest.json"]


def test_a_crash_in_a_pack_is_told_and_leaves_a_log(tmp_path, monkeypatch):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)

    def crash(packs, *others, **named):
        for pack in packs:
            failure = Failure(
                "crashed",
                "RuntimeError: boom",
                "Traceback ...\nRuntimeError: boom\n",
                "0123456789ab",
            )
            yield pack, here.Failed(failure, "give up", True)

    monkeypatch.setattr("harness.dispatch.here.train_here", crash)
    done = said("run", str(file), "--results", str(tmp_path / "results"), exit_code=3)
    assert "12 packs crashed (first: RuntimeError: boom); tracebacks in" in done
    assert "RuntimeError: boom" in (tmp_path / "results" / "tiny" / "crashes.log").read_text()


def test_characters_that_act_on_a_terminal_are_shown(tmp_path):
    names = ("\u202ea", "\x1b]0;title\x07b")
    rows = [
        f"{name},{n},{1 / n + 0.01 / n**2}"
        for name in names
        for n in (1, 10, 100, 1000, 10_000, 100_000)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["arch,n,y", *rows]), encoding="utf-8")
    words = ["fit", str(tmp_path / "t.csv"), "--x", "n", "--y", "y", "--by", "arch"]
    for shown in (said(*words), said(*words, "--where", "arch=c", exit_code=2)):
        assert "\\u202ea" in shown
        assert "\\u001b]0;title" in shown
        assert not set("\u202e\x1b\x07") & set(shown)


def test_a_gpu_that_is_not_here_is_said_before_a_plan_is_frozen(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    file, results = tmp_path / "t.yaml", ("--results", tmp_path / "results")
    file.write_text(TINY + "device: cuda\n", encoding="utf-8")
    for warns in (("validate", file), ("plan", file, *results)):
        told = said(*warns)
        assert (
            "warning: device: cuda, but torch sees no GPU here: `harness run` refuses; submit it"
            in told
        )
        refused = said("run", file, *results, exit_code=2)
        assert (
            "device: cuda, but torch sees no GPU here; say device: cpu, or run where there is one"
            in refused
        )
        assert results[1].exists() == (warns[0] == "plan")
