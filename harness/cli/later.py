"""Modules that a command loads when it is called, so that a help text need not wait for them."""

from typing import TYPE_CHECKING

from harness.families.later import Later

if TYPE_CHECKING:
    import pandas as pd

    from harness import tasks
    from harness.cli import heavy
    from harness.count import conventions
    from harness.paper import reference as published
    from harness.paper import replay as replays
    from harness.paper.replay import page as pages
    from harness.record import elsewhere
    from harness.show.tables import frames
else:
    pd, heavy, tasks = (Later(name) for name in ("pandas", "harness.cli.heavy", "harness.tasks"))
    published, replays = Later("harness.paper.reference"), Later("harness.paper.replay")
    pages, elsewhere = Later("harness.paper.replay.page"), Later("harness.record.elsewhere")
    conventions, frames = Later("harness.count.conventions"), Later("harness.show.tables.frames")
