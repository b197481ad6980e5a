"""Why a job waits that does not start by itself, as squeue says it, and what the user can do about it."""

import re
from typing import NamedTuple

from harness.dispatch.cluster import Listed

HELD_STATES = ("REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", *HELD_STATES}


class Stuck(NamedTuple):
    """What holds a job up, in words, and the next move.

    `change` is what lets jobs start that are sent off anew. Where the job waits `for_ever`, there is no other way.
    """

    why: str
    next_move: str
    change: str
    for_ever: bool


class _Reason(NamedTuple):
    pattern: str
    why: str
    next_move: str
    change: str
    for_ever: bool = False


AGAIN = "`harness cancel FILE`, {change}, then `harness retry FILE --cause cancelled`"
WAIT = "it starts once enough of the others end, and never if it alone exceeds the limit (`sacctmgr show qos`)"
# The first that fits. Reasons with blanks are those that SLURM writes for people.
REASONS = (
    _Reason(
        "JobHeldAdmin",
        "an administrator holds it",
        "ask the administrators to `scontrol release {job}`",
        change="ask the administrators why they hold it",
        for_ever=True,
    ),
    _Reason(
        "[Hh]eld|JobHold",
        "SLURM holds it",
        "`scontrol release {job}`; if SLURM refuses, ask the administrators",
        change="take `hold` out of sbatch: if it is there, or ask the administrators",
        for_ever=True,
    ),
    _Reason(
        "DependencyNeverSatisfied",
        "it never starts",
        AGAIN,
        change="take the dependency out of sbatch:",
        for_ever=True,
    ),
    _Reason(
        "BadConstraints|PartitionTimeLimit|PartitionNodeLimit|Invalid|NotAllowed|Per(Job|Node)|MaxWallDuration|QOSMin",
        "it never starts as it was asked for",
        f"{AGAIN}; `harness doctor --profile` says what does not fit",
        change="mend the profile",
        for_ever=True,
    ),
    _Reason(
        "Minutes|UsageThreshold|GrpWall",
        "the budget of its account or QOS is spent",
        f"ask for more (`sacctmgr show assoc`), or {AGAIN}",
        change="name another account: or qos:",
    ),
    _Reason(
        "Partition(Down|Inactive)|NodeDown|ReqNodeNotAvail|DOWN, DRAINED|FrontEndDown|ReservationDeleted",
        "it does not start before its nodes are back",
        f"wait for the administrators (`sinfo`), or {AGAIN}",
        change="choose another partition",
    ),
    _Reason("^(Assoc|QOS)", "a limit of its account or QOS is reached", WAIT, change=WAIT),
)


def stuck(listed: Listed) -> Stuck | None:
    """What keeps a waiting job from starting by itself; None if it only waits for its turn, or waits no more."""
    if listed.state not in WAITING:
        return None
    for reason in REASONS:
        if re.search(reason.pattern, "held" if listed.state in HELD_STATES else listed.reason):
            array = listed.number.partition("_")[0]  # to release it releases those of its tasks that are held
            next_move = reason.next_move.format(job=array, change=reason.change)
            return Stuck(reason.why, next_move, reason.change, reason.for_ever)
    return None
