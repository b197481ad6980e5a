"""Why a job waits that does not start by itself, as squeue says it, and what the user can do about it."""

import re
from typing import NamedTuple

from harness.dispatch.cluster import Listed

HELD_STATES = ("REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")


class Stuck(NamedTuple):
    """What holds a job up, in words, and the next move."""

    why: str
    next_move: str


class _Reason(NamedTuple):
    pattern: str
    why: str
    next_move: str


AGAIN = "`harness cancel FILE`, {change}, then `harness retry FILE --cause cancelled`"
# The first that fits. Reasons with blanks are those that SLURM writes for people.
REASONS = (
    _Reason("JobHeldAdmin", "an administrator holds it", "ask the administrators to `scontrol release {job}`"),
    _Reason("[Hh]eld|JobHold", "SLURM holds it", "`scontrol release {job}`; if SLURM refuses, ask the administrators"),
    _Reason("DependencyNeverSatisfied", "it never starts", AGAIN.format(change="take the dependency out of sbatch:")),
    _Reason(
        "BadConstraints|PartitionTimeLimit|PartitionNodeLimit|Invalid|NotAllowed|Per(Job|Node)|MaxWallDuration",
        "it never starts as it was asked for",
        AGAIN.format(change="mend the profile (`harness doctor --profile` says what does not fit)"),
    ),
    _Reason(
        "Minutes|UsageThreshold|GrpWall",
        "the budget of its account or QOS is spent",
        "ask for more (`sacctmgr show assoc`), or " + AGAIN.format(change="name another account: or qos:"),
    ),
    _Reason(
        "Partition(Down|Inactive)|NodeDown|ReqNodeNotAvail|DOWN, DRAINED|FrontEndDown|ReservationDeleted",
        "it does not start before its nodes are back",
        "wait for the administrators (`sinfo`), or " + AGAIN.format(change="choose another partition"),
    ),
    _Reason(
        "^(Assoc|QOS)",
        "a limit of its account or QOS is reached",
        "it starts once enough of the others end, and never if it alone exceeds the limit (`sacctmgr show qos`)",
    ),
)


def stuck(listed: Listed) -> Stuck | None:
    """What keeps a waiting job from starting by itself; None if it only waits for its turn."""
    for reason in REASONS:
        if re.search(reason.pattern, "held" if listed.state in HELD_STATES else listed.reason):
            array = listed.number.partition("_")[0]  # to release it releases those of its tasks that are held
            return Stuck(reason.why, reason.next_move.format(job=array))
    return None
