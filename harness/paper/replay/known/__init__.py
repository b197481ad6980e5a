"""The replays that there are: each file here is one, named as its experiment in experiments/, and ends in REPLAY."""

import pkgutil
import re
from importlib import import_module

from harness.base.errors import HarnessError, did_you_mean
from harness.paper.replay.content import Replay

FILES = sorted(file.name for file in pkgutil.iter_modules(__path__))
REPLAYS: dict[str, Replay] = {name: import_module(f"{__name__}.{name}").REPLAY for name in FILES}


def full_name(name: str) -> str:
    """The replay of that name, which may be written as people write it (Fig. 3.1), or the one that begins so.

    A HarnessError names the nearest one.
    """
    as_file = re.sub(r"[\s.]+", "_", re.sub(r"^(fig|table|app)(ure|endix)?[\s._]*", r"\1", name.lower()))
    as_file = re.sub(r"^app_?", "app_", as_file)
    matching = [replay for replay in REPLAYS if replay.startswith(as_file)]
    if len(matching) != 1:
        raise HarnessError(f"{name}: no such replay; {did_you_mean(name, REPLAYS)}")
    return matching[0]
