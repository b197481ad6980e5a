"""Submissions as files: read as written, locked against a second submitter, and orders of which the last counts."""

import os
import socket

import pytest
from made_submission import job, small, submission, write

from harness.base.errors import HarnessError
from harness.dispatch.submission import (
    cancelled,
    one_submitter,
    read_job,
    read_orders,
    read_submissions,
    retrying,
    write_order,
)
from harness.planning.plan import make_plan
from harness.spec import parse_experiment


@pytest.fixture
def plan():
    return make_plan(parse_experiment(small(sizes=(20, 40, 80))), "example")


def _submission(plan):
    return submission("example", tuple(map(job, plan.packs)), host="here", roots=("/code",), slots=2)


def test_a_submission_is_read_as_it_was_written(plan, tmp_path):
    specs = {planned.run_id: planned.run for planned in plan.runs}
    written = write(tmp_path, _submission(plan), plan)
    assert read_submissions(tmp_path) == [written]
    for place, sent in enumerate(written.jobs):
        read = read_job(tmp_path, "5ub", place)
        assert read.ids == sent.packs
        assert read.packs == tuple(tuple(specs[run] for run in pack) for pack in sent.packs)


def test_a_submission_that_was_changed_by_hand_is_named(plan, tmp_path):
    write(tmp_path / "example", _submission(plan), plan)
    path = tmp_path / "example" / "submissions" / "5ub" / "submission.json"
    path.write_text(path.read_text().replace("c0de", "c0d0"))
    (found,) = read_submissions(tmp_path / "example")
    assert f"{path} is damaged (" in found.damage
    assert f"`scancel --name={_submission(plan).name}` ends its jobs" in found.damage
    assert found.jobs == ()


def test_the_last_order_counts(tmp_path):
    write_order(tmp_path, "cancel", ["a", "b"], "her")
    write_order(tmp_path, "retry", ["a"], "him")
    assert cancelled(read_orders(tmp_path)).keys() == {"b"}
    write_order(tmp_path, "cancel", ["a"], "him")
    found = cancelled(read_orders(tmp_path))
    assert {run: order.by for run, order in found.items()} == {"a": "him", "b": "her"}


def test_a_second_submitter_is_told_so(tmp_path):
    told = f"submit.lock: process {os.getpid()} on {socket.gethostname()}, since .*, is submitting runs"
    with one_submitter(tmp_path), pytest.raises(HarnessError, match=told), one_submitter(tmp_path):
        pytest.fail("both submit")
    with one_submitter(tmp_path):
        pass


def test_a_retry_counts_for_what_is_sent_after_it(plan, tmp_path):
    with retrying(tmp_path, plan.run_ids()):
        write(tmp_path, _submission(plan), plan)
    (order,), (sent,) = read_orders(tmp_path), read_submissions(tmp_path)
    assert order.at < sent.at
    with pytest.raises(HarnessError), retrying(tmp_path, plan.run_ids()):
        raise HarnessError("sbatch refused the jobs")
    assert read_orders(tmp_path) == [order]
