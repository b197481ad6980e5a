"""Where and with what the runs of a page were made."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from harness import record


def provenance(places: Iterable[record.Provenance]) -> dict[str, Any]:
    """What records say of where they were made; seconds are counted once a pack.

    Commits with whether they were changed since, machines (host, device, threads of a pack) and versions each have
    their number of runs, most first.
    """
    commits, machines, versions = Counter[Any](), Counter[Any](), Counter[str]()
    packs, starts = set(), []
    for place in places:
        commits[place.commit or "not from a git checkout", bool(place.dirty)] += 1
        machines[place.host, place.device, place.threads] += 1
        versions[", ".join(f"{name} {number}" for name, number in place.versions.items())] += 1
        packs.add((place.host, place.started_at, place.pack_seconds, place.pack_cpu_seconds))
        starts.append(place.started_at)
    *_, seconds, cpu_seconds = zip(*packs, strict=True)
    return {
        "commits": commits.most_common(),
        "machines": machines.most_common(),
        "versions": versions.most_common(),
        "first": min(starts),
        "last": max(starts),
        "packs": len(packs),
        "seconds": f"{sum(seconds):,.0f}",
        "cpu_seconds": f"{sum(cpu_seconds):,.0f}",
    }
