"""Where and with what the runs of a page were made."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness import record


@dataclass(frozen=True)
class ProvenancePart:
    """Commits with whether they were changed since, machines and versions, each with its number of runs, most first.

    A machine is its host, its device and the threads of a pack.
    """

    commits: tuple[tuple[tuple[str, bool], int], ...]
    machines: tuple[tuple[tuple[str, str, int], int], ...]
    versions: tuple[tuple[str, int], ...]
    first: str
    last: str
    packs: int
    seconds: str
    cpu_seconds: str


def provenance(places: Iterable[record.Provenance]) -> ProvenancePart:
    """What records say of where they were made; seconds are counted once a pack."""
    places = list(places)
    commits = Counter((one.commit or "not from a git checkout", bool(one.dirty)) for one in places)
    machines = Counter((one.host, one.device, one.threads) for one in places)
    versions = Counter(", ".join(f"{name} {number}" for name, number in one.versions.items()) for one in places)
    packs = {(one.host, one.started_at, one.pack_seconds, one.pack_cpu_seconds) for one in places}
    starts = sorted(one.started_at for one in places)
    return ProvenancePart(
        commits=tuple(commits.most_common()),
        machines=tuple(machines.most_common()),
        versions=tuple(versions.most_common()),
        first=starts[0],
        last=starts[-1],
        packs=len(packs),
        seconds=f"{sum(seconds for *_, seconds, _ in packs):,.0f}",
        cpu_seconds=f"{sum(seconds for *_, seconds in packs):,.0f}",
    )
