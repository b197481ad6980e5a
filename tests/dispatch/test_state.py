"""From evidence to states: which evidence decides, and that what is not understood is never taken
for dead.
"""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from made_submission import job, submission

from harness.dispatch.cluster import Listed, Queue
from harness.dispatch.events import Attempt
from harness.dispatch.profile import Profile
from harness.dispatch.reconcile import spending
from harness.dispatch.state import (
    ENDED,
    FREE,
    LEASE_SECONDS,
    RUNNING,
    STATES,
    UNSEEN_SECONDS,
    WAITING,
    Evidence,
    RunState,
    states,
    stuck,
    unexplained,
)
from harness.dispatch.submission import Instruction
from harness.show.sweeps import spending_words

T0 = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "run"


def _at(seconds):
    return (T0 + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def _submission(identity="s", at=0, profile=True):
    where = {"host": "login", "profile": Profile() if profile else None}
    return submission("e", (job((RUN, "other"), ("third",)),), id=identity, at=_at(at), **where)


def _attempt(*events, identity="a", submission="s", at=10, beat=20):
    begun = {"event": "begun", "at": _at(at), "submission": submission, "place": 0}
    told = [{"at": _at(at + 1 + index), **event} for index, event in enumerate(events)]
    return Attempt(identity, (begun, *told), T0.timestamp() + beat)


def _crash(traceback_hash, move="give up", **more):
    failed = {
        "event": "pack_failed",
        "runs": [RUN, "other"],
        "cause": "crashed",
        "error": "ValueError: no",
    }
    return {**failed, "traceback_hash": traceback_hash, "move": move, **more}


BEGUN = {"event": "pack_begun", "runs": [RUN, "other"]}


def _state(run=RUN, listed=None, accounted=None, now=30.0, **evidence):
    known = {
        "records": {},
        "submissions": [_submission()],
        "attempts": [],
        "orders": [],
        "dead": (),
    }
    known |= evidence
    task = ("harness-e-s", 0)
    queue = known.pop(
        "queue", Queue({task: Listed("7_0", task[0], listed, "None")} if listed else {})
    )
    accounting = Queue({task: Listed("7_0", task[0], accounted, "None")} if accounted else {})
    told = Evidence(queue=queue, accounting=accounting, now=T0.timestamp() + now, **known)
    return states([run], told)[run]


SILENT, LOCAL, FIRST = (
    Queue({}, "squeue did not answer"),
    [_submission(profile=False)],
    [_attempt(BEGUN)],
)
LEASE, UNSEEN = (
    20 + LEASE_SECONDS,
    UNSEEN_SECONDS,
)  # after the first heartbeat, and after the submission
STATES_OF = {  # what is known, and the state
    "in a job that runs the pack that has begun is running": (
        {"run": "other", "listed": "RUNNING"},
        "running",
    ),
    "and the one after it queued": ({"run": "third", "listed": "RUNNING"}, "queued"),
    "a pack that ran out of memory is to blame": ({"listed": "OUT_OF_MEMORY"}, "out of memory"),
    "and one that had not begun is as it was planned": (
        {"run": "third", "listed": "OUT_OF_MEMORY"},
        "planned",
    ),
    "a job that no queue lists is alive within its lease": ({"now": LEASE - 1}, "running"),
    "and lost after it": ({"now": LEASE + 1}, "lost"),
    "so it is with one that was never seen": ({"attempts": [], "now": UNSEEN - 1}, "queued"),
    "for two minutes": ({"attempts": [], "now": UNSEEN + 1}, "lost"),
    "a controller that is down says nothing of jobs": ({"queue": SILENT, "now": 1e7}, "running"),
    "whether they have begun or not": ({"attempts": [], "queue": SILENT, "now": 1e7}, "queued"),
    "a local worker that lives trains": ({"submissions": LOCAL, "now": 25}, "running"),
    "and one whose process is gone is lost at once": (
        {"submissions": LOCAL, "dead": {"a"}, "now": 25},
        "lost",
    ),
    "what its worker will try again is on its way": (
        {"listed": "RUNNING", "attempts": [_attempt(BEGUN, _crash("h", move="again"))]},
        "queued",
    ),
}


@pytest.mark.parametrize("what", STATES_OF)
def test_evidence_decides(what):
    known, state = STATES_OF[what]
    assert _state(**{"attempts": FIRST} | known).state == state


@pytest.mark.parametrize("status", ["done", "diverged"])
@pytest.mark.parametrize("listed", [None, "RUNNING", "FAILED", "CANCELLED"])
def test_a_record_outranks_everything(status, listed):
    orders = [Instruction(kind="cancel", at=_at(5), runs=(RUN,))]
    assert (
        _state(
            listed=listed, records={RUN: status}, attempts=[_attempt(_crash("h"))], orders=orders
        ).state
        == status
    )


@pytest.mark.parametrize(
    "listed", sorted(WAITING | RUNNING | {"PREEMPTING", "A_STATE_OF_THE_FUTURE"})
)
@pytest.mark.parametrize("attempts", [[], [_attempt(BEGUN)]], ids=["not begun", "begun"])
def test_what_slurm_lists_as_not_ended_is_alive(listed, attempts):
    assert _state(listed=listed, attempts=attempts, now=1e6).state in ("queued", "running")


def _waiting(reason, state="PENDING", number="7_[0,3-5]"):
    task = ("harness-e-s", 0)
    return _state(
        queue=Queue({task: Listed(number, task[0], state, reason)}), attempts=[_attempt(BEGUN)]
    )


FOR_EVER = {  # what keeps a job from starting whatever comes, and what to do
    "JobHeldAdmin": "ask the administrators to `scontrol release 7`",
    "DependencyNeverSatisfied": "take the dependency out",
    "QOSMinCpuNotSatisfied": "`harness doctor --profile` says what does not fit",
} | dict.fromkeys(
    (
        *(
            "BadConstraints",
            "PartitionTimeLimit",
            "QOSMaxWallDurationPerJobLimit",
            "AssocMaxWallDurationPerJobLimit",
        ),
        *("QOSMaxGRESPerJob", "QOSMaxCpuPerJobLimit", "QOSMaxCpuPerNode", "QOSMinMemory"),
    ),
    "mend the profile",
)
FOR_NOW = {
    "AssocGrpCPUMinutesLimit": "name another account: or qos:",
    "AssocGrpCpuLimit": "once enough of the others end",
    "QOSMaxJobsPerUserLimit": "once enough of the others end",
    "ReqNodeNotAvail, UnavailableNodes:n1": "choose another partition",
    (
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority "
        "partitions"
    ): "(`sinfo`)",
    "PartitionDown": "choose another partition",
}


def test_a_job_that_does_not_start_by_itself_has_a_next_move():
    """squeue's reasons, as 24.11 words them: of held jobs, of what the cluster lacks, and of
    limits.
    """
    for reason in (
        "JobHeldUser",
        "job requeued in held state",
        "launch failed requeued held",
        "JobHoldMaxRequeue",
    ):
        assert _waiting(reason).next_move.startswith("`scontrol release 7`")
    for state in ("REQUEUE_HOLD", "SPECIAL_EXIT"):
        assert _waiting("BeginTime", state).next_move.startswith("`scontrol release 7`")
    for reason, move in (FOR_EVER | FOR_NOW).items():
        found = _waiting(reason)
        assert (found.state, move in found.next_move) == ("queued", True), reason
        assert found.why.startswith(f"SLURM: PENDING ({reason}), ")
        assert found.why.endswith("; it has begun before, and goes on from where it was saved")
        assert stuck(Listed("7", "e", "PENDING", reason)).for_ever == (reason in FOR_EVER), reason


def test_a_job_that_waits_for_its_turn_needs_nothing():
    for reason in (
        "None",
        "Priority",
        "Resources",
        "BeginTime",
        "JobArrayTaskLimit",
        "Licenses",
        "Dependency",
    ):
        assert _waiting(reason).next_move is None
    assert _waiting("JobHeldAdmin", "RUNNING", "7_0").next_move is None


@pytest.mark.parametrize(("listed", "state"), ENDED.items())
@pytest.mark.parametrize("source", ["listed", "accounted"])
def test_what_slurm_says_has_ended_has_the_state_of_its_cause(listed, state, source):
    assert _state(**{source: listed}, attempts=[_attempt(BEGUN)]).state == state


@pytest.mark.parametrize(
    ("cause", "state"),
    [("crashed", "crashed"), ("out_of_memory", "out of memory"), ("killed", "out of memory")],
)
@pytest.mark.parametrize("listed", [None, "RUNNING", "COMPLETED"])
def test_a_pack_that_its_worker_gave_up_has_the_state_of_the_cause(cause, state, listed):
    assert (
        _state(listed=listed, attempts=[_attempt(BEGUN, _crash("h", cause=cause))]).state == state
    )


def test_the_same_traceback_twice_is_quarantined_and_another_is_not():
    twice, other = (
        [_crash("h", move="again"), _crash("h")],
        [_crash("h", move="again"), _crash("k")],
    )
    apart = [_attempt(_crash("h")), _attempt(_crash("h"), identity="b", at=40)]
    found = _state(attempts=[_attempt(*twice)])
    assert (found.state, found.why) == ("quarantined", "the same traceback twice: ValueError: no")
    assert _state(attempts=apart).state == "quarantined"
    silent = _state(attempts=[_attempt(_crash(None, move="again"), _crash(None))])
    assert (silent.state, silent.why) == (
        "quarantined",
        "twice without a traceback: ValueError: no",
    )
    assert _state(attempts=[_attempt(*other)]).state == "crashed"


def test_a_cancelled_run_stays_so_until_it_is_asked_for():
    cancel = Instruction(kind="cancel", at=_at(50), runs=(RUN,))
    retry = Instruction(kind="retry", at=_at(60), runs=(RUN,))
    for listed in (None, "PENDING", "NODE_FAIL"):
        assert _state(listed=listed, orders=[cancel], now=1e6).state == "cancelled"
    assert _state(listed="CANCELLED", orders=[cancel, retry]).state == "planned"


@pytest.mark.parametrize(
    ("why", "state"),
    [
        ("timed out", "timed out"),
        ("preempted", "preempted"),
        ("cancelled", "cancelled"),
        ("stopped", "preempted"),
    ],
)
def test_a_worker_that_was_told_to_stop_says_why(why, state):
    ended = {"event": "ended", "why": why, "requeued": False}
    assert _state(attempts=[_attempt(BEGUN, ended)]).state == state
    assert (
        _state(attempts=[_attempt(BEGUN, ended)], listed="PENDING").state == "queued"
    )  # SLURM starts it again
    failed = {"event": "ended", "why": "crashed", "error": "no space"}
    told = _state(attempts=[_attempt(BEGUN, failed)], listed="FAILED")
    assert (told.state, told.why) == ("crashed", "its worker ended: crashed: no space")


def test_of_a_worker_that_was_told_no_reason_slurm_says_why():
    """A SLURM that has no JSON says COMPLETING while it ends a job, and the reason only after
    that.
    """
    attempts = [_attempt(BEGUN, {"event": "ended", "why": "stopped", "requeued": False})]
    for source in ("listed", "accounted"):
        assert _state(attempts=attempts, **{source: "CANCELLED"}).state == "cancelled"
        assert _state(attempts=attempts, **{source: "COMPLETED"}).state == "preempted"
    told = Evidence({}, [_submission()], attempts, [], Queue({}), Queue({}), (), T0.timestamp())
    assert unexplained(told) == ["harness-e-s"]


def test_a_job_that_ended_well_without_a_record_here_is_lost():
    here = _state(listed="COMPLETED", attempts=[_attempt(BEGUN)])
    why = "SLURM: COMPLETED: it ended well, and its record is not here"
    assert (here.state, here.why, here.next_move) == ("lost", why, None)


def test_a_job_that_ended_before_its_worker_is_not_just_sent_off_again():
    for listed, state in (("FAILED", "crashed"), ("TIMEOUT", "timed out")):
        found = _state(listed=listed)
        assert (found.state, found.why) == (state, f"SLURM: {listed}, before its worker began")
        assert f"mended, `harness retry FILE --cause '{state}'`" in found.next_move
    forgotten = _state(now=UNSEEN_SECONDS + 1, started={("s", 0)})
    assert (forgotten.state, forgotten.why) == (
        "crashed",
        "its job has ended, before its worker began",
    )


def test_an_order_to_try_again_wipes_the_slate_whatever_the_clock_of_the_node():
    """After it a quarantined run is planned. What counts is when its job was sent off, after the
    order or before.
    """
    retry = Instruction(kind="retry", at=_at(100), runs=(RUN,))
    sent = [_submission(), _submission("s2", at=200)]
    for clock in (-7200, 0, 7200):
        old = _attempt(_crash("h"), _crash("h"), at=10 + clock)
        once, twice = (
            _attempt(*crashes, identity="b", submission="s2", at=300 + clock)
            for crashes in ([_crash("h")], [_crash("k"), _crash("k")])
        )
        assert _state(attempts=[old], orders=[retry]).state == "planned"
        assert (
            _state(attempts=[old], submissions=sent, orders=[retry], listed="PENDING").state
            != "quarantined"
        )
        assert _state(attempts=[old, once], submissions=sent, orders=[retry]).state == "crashed"
        assert (
            _state(attempts=[old, twice], submissions=sent, orders=[retry]).state == "quarantined"
        )


def test_the_last_attempt_at_a_job_is_the_one_that_slurm_started_last():
    """An attempt on a node whose clock is two hours ahead does not hide the one that came after
    it.
    """
    ahead = _attempt(BEGUN, {"event": "ended", "why": "preempted", "requeued": True}, at=7200)
    ended = {"event": "ended", "why": "crashed", "error": "no space"}
    last = _attempt(BEGUN, ended, identity="b", at=60)
    ahead.begun["restarts"], last.begun["restarts"] = 0, 1
    assert _state(attempts=[last, ahead]).attempt == "b"


def _spending(*attempts):
    told = Evidence(
        {}, [_submission()], attempts, [], Queue({}), Queue({}), (), T0.timestamp() + 7300
    )
    return spending(states((RUN, "other", "third"), told), told)


def test_hours_are_counted_by_the_clock_of_the_node_and_a_clock_that_differs_is_told():
    step = {"event": "first_step"}
    behind, right, ahead = (
        _attempt(
            step,
            {"event": "checkpoint", "runs": [RUN]},
            identity=str(clock),
            at=60 + clock,
            beat=100,
        )
        for clock in (-7200, 0, 7200)
    )
    for attempt, host in ((behind, "slow"), (right, "right"), (ahead, "fast")):
        attempt.begun.update(host=host, slurm_started_at=str(int(T0.timestamp()) + 58))

    for attempt, overhead, clocks in (
        (right, 3.0, {}),
        (behind, None, {"slow": pytest.approx(-7198)}),
        (ahead, None, {"fast": pytest.approx(7162)}),
    ):
        found = _spending(attempt)
        assert found.spent_hours == pytest.approx(2 / 3600)
        assert found.overhead_seconds == overhead
        assert found.clocks_ahead_seconds == clocks
    words = spending_words(_spending(behind, right, ahead))
    assert "a job starts to train after 3 s" in words
    assert "the clock of slow is 120 min behind SLURM's, so its times are not comparable" in words
    assert "the clock of fast is 119 min ahead of the file server's" in words


def test_every_state_has_a_meaning():
    from harness.show.sweeps import NEXT_MOVES, next_move

    for state in STATES:
        assert state in ("queued", "running", "done", "diverged") or next_move(RunState(state))
    assert not set(itertools.chain(FREE)) & {"done", "diverged", "queued", "running"}
    assert set(NEXT_MOVES) <= set(STATES)


def test_hours_of_a_gpu_count_once_however_many_packs_share_it():
    minute, packs = 60.0, tuple((f"r{number}",) for number in range(4))
    shared = _submission().model_copy(
        update={
            "profile": Profile(gpus="a100:1", cpus=4, packs_per_gpu=4),
            "slots": 4,
            "jobs": (job(*packs, seconds=minute).model_copy(update={"seconds": minute}),),
        }
    )
    done = [
        {"event": "pack_done", "runs": [run], "statuses": ["done"], "seconds": minute}
        for (run,) in packs
    ]
    ended = {"event": "ended", "at": _at(minute), "why": "finished", "requeued": False}
    attempt = _attempt(*done, ended, at=0, beat=minute)
    attempt.begun.update(host="n1", slurm_started_at=None)
    records = dict.fromkeys([run for (run,) in packs], "done")
    evidence = Evidence(
        records, [shared], [attempt], [], Queue({}), Queue({}), (), T0.timestamp() + minute
    )

    spent = spending(states([run for (run,) in packs], evidence), evidence)

    assert spent.device_unit == "GPU"
    assert spent.spent_hours == pytest.approx(spent.predicted_hours_over) == pytest.approx(1 / 60)
