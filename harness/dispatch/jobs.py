"""From packs to jobs of about equal length, and from jobs to arrays that the cluster takes."""

import heapq
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from harness.base.frozen import Frozen

RunIds = tuple[str, ...]  # run ids that train together


class SentJob(Frozen):
    """Packs that one job trains, the costliest first: what each is predicted to take, and the job on all its slots."""

    packs: tuple[RunIds, ...]
    pack_seconds: tuple[float, ...]
    seconds: float

    @property
    def runs(self) -> list[str]:
        """The ids of all its runs."""
        return list(itertools.chain.from_iterable(self.packs))


def bin_packs(packs: Mapping[RunIds, float], job_seconds: float, slots: int) -> list[SentJob]:
    """As few jobs as packs fill to about `job_seconds` on `slots`, all about equally long; the longest job first.

    Each pack has the seconds that it is predicted to take, alone on one slot. Longest packs first, each to the job with
    the least work so far. A pack that takes longer than `job_seconds` is a job that takes longer.
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
        jobs.append(SentJob(packs=tuple(runs), pack_seconds=seconds, seconds=makespan(seconds, slots)))
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
