"""A convention and a quantity that are one object each, in a file outside of harness/, go from a
plan to a verdict.
"""

from typing import NamedTuple

import pandas as pd
import pytest
from commands import json_of, refused
from judging.own_rules import AHEAD, FUSED
from made_records import recorded_table

from harness.base.plain import plain
from harness.count import CONVENTIONS
from harness.judging.judge import judge_all
from harness.judging.laws import fit_table
from harness.judging.quantities import QUANTITIES
from harness.planning.plan import make_plan
from harness.show.figures.scaling import scaling_figure
from harness.show.tables.verdicts import summary_table
from harness.spec.counts import axis_words
from harness.spec.manifest import Manifest
from harness.spec.read import experiment_schema, parse_experiment
from harness.train import train_pack

TEXT = """
question: Which learns a product better with as many multiply-adds?
tasks: xy
arms:
  mlp: {architecture: {family: mlp, depth: 2}, recipe: long}
  idle: {architecture: {family: mlp, depth: 2}, recipe: short}
match: {axis: flops_forward, convention: fused_add, at: [40, 80, 160, 320], tol: 0.1, solve: width}
recipes:
  long: {optimizer: {name: lbfgs}, max_evaluations: 60}
  short: {optimizer: {name: lbfgs}, max_evaluations: 2}
seeds: [0, 1]
engine: torch
decide:
- {claim: training helps, quantity: ahead, sides: [mlp, idle], threshold: 1, at_least: 1}
- {claim: it does not, quantity: ahead, sides: [idle, mlp], threshold: 1, at: flops_forward.fused_add, at_least: 1}
"""


class Study(NamedTuple):
    """A plan whose runs were trained, and their table."""

    manifest: Manifest
    table: pd.DataFrame


@pytest.fixture(scope="module", autouse=True)
def own():
    """The convention and the quantity are there as long as this file is tested."""
    CONVENTIONS.append(FUSED)
    QUANTITIES[AHEAD.name] = AHEAD
    yield
    CONVENTIONS.remove(FUSED)
    del QUANTITIES[AHEAD.name]


@pytest.fixture(scope="module")
def study(own, tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("records")
    manifest = make_plan(parse_experiment(TEXT), "own")
    specs = {planned.run_id: planned.run for planned in manifest.runs}
    for pack in manifest.packs:
        train_pack([specs[identity] for identity in pack], folder)
    return Study(manifest, recorded_table(manifest, folder))


def test_arms_are_matched_on_the_convention_and_records_count_by_it(study):
    for cell in study.manifest.cells:
        assert cell.counts["flops_forward.fused_add"] == pytest.approx(cell.asked, rel=0.1)
    own = 2 * (study.table["flops_train.fused_add"] - study.table["flops_train.part_optimizer"])
    shared = study.table["flops_train.shared_dense"] - study.table["flops_train.part_optimizer"]
    assert (own / shared).between(0.97, 1).all()


def test_the_rules_come_to_their_verdicts(study):
    supported, refuted = judge_all(study.manifest, study.table)
    assert [supported.verdict, refuted.verdict] == ["supported", "refuted"]
    assert {supported.axis, refuted.axis} == {"flops_forward.fused_add"}
    assert supported.rule == (
        "the least ratio of test losses over replicates of idle / mlp at the largest size is "
        "above 1, on the task, by "
        "flops_forward.fused_add; intervals at 95 %"
    )


def test_laws_figures_and_tables_have_its_words(study):
    fits = fit_table(study.table)
    assert {"flops_forward.fused_add", "flops_train.fused_add"} <= {one.axis for one in fits}
    labels = [axes.get_xlabel() for axes in scaling_figure(study.manifest, fits).axes]
    assert (
        labels[0]
        == axis_words("flops_forward.fused_add")
        == "forward FLOPs per sample (multiply-adds)"
    )
    verdicts = [plain(verdict) for verdict in judge_all(study.manifest, study.table)]
    (row, _) = summary_table([{"name": "own", "commits": [], "verdicts": verdicts}]).rows
    assert row.cells[2] == "per forward FLOP (multiply-adds)"


def test_messages_and_the_schema_name_both():
    for wrong, said in (
        (TEXT.replace("quantity: ahead", "quantity: ahaed"), "did you mean 'ahead'?"),
        (
            TEXT.replace("convention: fused_add", "convention: fused_ad"),
            "did you mean 'fused_add'?",
        ),
        (
            TEXT.replace("at: flops_forward.fused_add", "at: flops_train.fused_ad"),
            "'flops_train.fused_add'?",
        ),
        (TEXT.replace("sides: [idle, mlp]", "sides: [idle]"), "ahead is of 2 sides"),
    ):
        assert said in refused(parse_experiment, wrong)
    with_splines = parse_experiment(
        TEXT.replace("family: mlp, depth: 2", "family: spline_mlp, depth: 2, grid: 3")
    )
    assert "flops_forward.fused_add does not count spline_mlp" in refused(
        make_plan, with_splines, "own"
    )

    schema = experiment_schema()["$defs"]
    assert schema["Decide"]["properties"]["quantity"]["enum"][-1] == "ahead"
    assert "ahead: the least ratio of test losses over replicates." in " ".join(
        schema["Decide"]["description"].split()
    )
    (matched,) = json_of(
        "match", "--arm", "mlp depth=3", "--axis", "flops_forward.fused_add", "--at", "300"
    )["arms"]
    assert (
        matched["achieved"]
        == matched["counts"]["flops_forward.fused_add"]
        == pytest.approx(300, rel=0.05)
    )
