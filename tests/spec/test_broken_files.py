"""Broken experiment files, by hand and by chance: whatever a file says, the answer is lines of
errors, exit code 2.
"""

import math
from pathlib import Path
from random import Random

import pytest
from broken_files import LARGE, SMALL, by_hand, mutant
from click.testing import CliRunner
from commands import refused, said
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.base.errors import USAGE, HarnessError
from harness.cli import main
from harness.dispatch.profile import read_profile
from harness.spec.read import MOST_RUNS, most_runs, parse_experiment, read_experiment, variants
from harness.study.folders import StudyFile
from harness.study.plans import plan_of

# Mutants that make more runs than this are read, but not planned, so that 100 take seconds.
MOST_PLANNED = 60
# The same mutants every time, until this test or hypothesis changes: no build breaks by bad luck.
SAME = settings(
    derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_broken_files_are_refused_in_lines(tmp_path):
    path, wrong = tmp_path / "broken.yaml", []
    for text in by_hand():
        path.write_text(text, encoding="utf-8", newline="")
        done = CliRunner().invoke(main, ["validate", str(path)])
        lines = done.output.splitlines()
        if (
            done.exit_code != USAGE
            or not lines
            or not all(line.startswith(("error: ", "  ")) for line in lines)
        ):
            wrong.append((text[:300], done.exit_code, done.output[:300], repr(done.exception)))
    assert not wrong


def test_expansion_is_counted_before_it_is_done():
    for name, runs in (
        ("thousand by thousand", "2,000,000,000"),
        ("seeds and budgets", "3,600,000"),
        ("runs of a search", "20,000,000"),
        ("tasks", "1,999,000"),
        ("grid of 9 known axes", "2,000,000,000"),
    ):
        with pytest.raises(HarnessError, match=f"^{runs} runs"):
            variants(parse_experiment(LARGE[name]))
    later = (
        SMALL + f"grid: {{seeds: [[0], {[*range(9000)]}], match.at: [[1], {[*range(1, 100)]}]}}\n"
    )
    with pytest.raises(HarnessError, match=r"^1,800,200 runs at 4 points of grid: and zip:"):
        variants(parse_experiment(later))
    most = SMALL.replace("[0]", str([*range(5000)])).replace("[100]", str([*range(1, 101)]))
    assert len(variants(parse_experiment(most))) == 1 == MOST_RUNS // (2 * 5000 * 100)


def test_names_that_lead_out_of_the_results_folder_are_refused(here):
    scale = "scales: {%s: {seeds: [1]}}\n"
    for name in (
        "...yaml",
        "a|b.yaml",
        "a b.yaml",
        ".hidden.yaml",
        "-x.yaml",
        "a\nb.yaml",
        "é.yaml",
        "$(x).yaml",
    ):
        Path(name).write_text(SMALL, encoding="utf-8")
        for command in ("validate", "plan", "run"):
            assert "results folder, which cannot be called" in said(
                command, "--", name, exit_code=USAGE
            ), name
    for name in ("../x", "a b", "a|b", "''"):
        Path("good.yaml").write_text(SMALL + scale % name, encoding="utf-8")
        told = said("plan", "good.yaml", "--scale", name.strip("'"), exit_code=USAGE)
        assert "results folder, which cannot be called" in told, name
    assert not Path("results").exists()

    Path("a.b_c=1+2-3.yaml").write_text(SMALL + scale % "short", encoding="utf-8")
    said("plan", "a.b_c=1+2-3.yaml", "--scale", "short")
    assert Path("results/a.b_c=1+2-3-short/manifest.json").exists()


def test_broken_profiles_are_refused_like_experiments(tmp_path):
    path = tmp_path / "mine.yaml"
    for text in (
        "partition: !!int abc",
        "partition: &a [*a]",
        "5: 1",
        "\x01",
        "setup: [" * 1000,
        "hours: 2020-13-45",
    ):
        path.write_text(text, encoding="utf-8")
        assert "mine.yaml:1: " in refused(read_profile, path)


def _check(seed: int, folder: Path) -> None:
    """A mutant is planned, or refused with its name first: no other exception, no other exit
    code.
    """
    path = folder / "mutant.yaml"
    path.write_text(mutant(Random(seed)), encoding="utf-8", newline="")
    refused = None
    try:
        experiment = read_experiment(path)
        points = math.prod(map(len, experiment.grid.values())) * max(
            map(len, experiment.zip.values()), default=1
        )
        if points * most_runs(experiment) <= MOST_PLANNED:
            plan_of(StudyFile(path))
    except HarnessError as error:
        refused = error
    assert refused is None or (refused.exit_code == USAGE and str(refused).startswith(str(path)))


@settings(SAME, max_examples=100)
@given(seed=st.integers(0, 2**64))
def test_mutants_are_planned_or_refused(tmp_path, seed):
    """Of every file of experiments/, and of others with what they leave out: text and fields
    changed by chance.
    """
    _check(seed, tmp_path)


@pytest.mark.nightly
@settings(SAME, max_examples=5000)
@given(seed=st.integers(2**64, 2**65))
def test_many_mutants_are_planned_or_refused(tmp_path, seed):
    _check(seed, tmp_path)
