"""The replays that there are: each file here is one, named as its experiment in experiments/, and ends in REPLAY."""

import pkgutil
from importlib import import_module

from harness.paper.replay.content import Replay
from harness.paper.replay.curves import curves

FILES = sorted(file.name for file in pkgutil.iter_modules(__path__))
REPLAYS: dict[str, Replay] = {name: import_module(f"{__name__}.{name}").REPLAY for name in FILES}
# Those whose figure shows arms that are added to their experiment.
EXTENDED = [name for name, replay in REPLAYS.items() if getattr(replay.kind, "func", None) is curves]
