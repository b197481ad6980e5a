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
    places = list(places)
    packs = {(one.host, one.started_at, one.pack_seconds, one.pack_cpu_seconds) for one in places}
    starts = [one.started_at for one in places]
    versions = (", ".join(f"{name} {number}" for name, number in one.versions.items()) for one in places)
    return {
        "commits": Counter((one.commit or "not from a git checkout", bool(one.dirty)) for one in places).most_common(),
        "machines": Counter((one.host, one.device, one.threads) for one in places).most_common(),
        "versions": Counter(versions).most_common(),
        "first": min(starts),
        "last": max(starts),
        "packs": len(packs),
        "seconds": f"{sum(seconds for *_, seconds, _ in packs):,.0f}",
        "cpu_seconds": f"{sum(seconds for *_, seconds in packs):,.0f}",
    }
