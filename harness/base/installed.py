"""What installed packages add: entry points, which give a short name to `package.module:name`.

The short name stands in a file; plans and records have the place in full, so that they mean the same without it.
"""

from functools import cache
from importlib.metadata import entry_points

from harness.base.errors import HarnessError


@cache
def installed(group: str) -> dict[str, str]:
    """The places of all entry points of a group by their names; a HarnessError if two packages give one name."""
    places: dict[str, str] = {}
    for entry in sorted(entry_points(group=group)):
        if places.setdefault(entry.name, entry.value) != entry.value:
            raise HarnessError(
                f"entry points {group}: {entry.name!r} is both {places[entry.name]} and {entry.value}; uninstall one "
                "of the two packages"
            )
    return places


def place_of_name(name: str, group: str, taken: bool) -> str:
    """Where an installed package has what is called `name`; the name as it is if none has.

    A HarnessError if the project has something of that name too, which `taken` says.
    """
    place = installed(group).get(name)
    if place and taken:
        raise HarnessError(f"{name!r} is of this project, and {place} has that name too; uninstall its package")
    return place or name
