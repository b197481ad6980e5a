"""How many runs each arm of a side gets."""

from __future__ import annotations

from harness.base.errors import HarnessError


def shares(runs: int, arms: int) -> tuple[int, ...]:
    """How many runs each arm of a side gets, of `runs` in all: as even as possible, the first arms one more.

    An arm's runs are the first of its own sequence, and the side's pool is all of them. The sequences need scrambles of
    their own: arms with one space and one scramble would try the same points.
    """
    if not 1 <= arms <= runs:
        raise HarnessError(
            f"a side of {arms} arms has {runs} runs in all, and each arm needs one at least; give the search "
            f"{max(arms, 1)} runs or more, or the side fewer arms."
        )
    each, more = divmod(runs, arms)
    return tuple(each + (arm < more) for arm in range(arms))
