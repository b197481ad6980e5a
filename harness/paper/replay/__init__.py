"""Published figures and tables beside runs of ours, each on a page of its own.

A replay is an entry of REPLAYS (`known.py`), named as its experiment file in experiments/. Its *kind* is one function,
in a module of its own, from (Runs, Replay) to a Page (`content.py`): every point, figures, findings, tables. It reads
what was published by `harness.paper.reference.load`, puts our medians, best and worst beside it, and has
`outcome.with_outcomes` say what each pair comes to; `page.py` writes any Page, and adds what all have: how the run
differed from the full experiment, where the paper is silent, the errata of the points, what it took, and the command.

So a new replay is an experiment file, a module with one function (`curves.py` is the first), and an entry in REPLAYS.
What a function needs beside Runs and Replay, such as the columns of a figure's panels, is bound to it by
`functools.partial` there. `tests/paper/tiny/<name>.yaml` then says what to change for a slice of the experiment that a
test can run in seconds.
"""

from harness.paper.replay.content import POINT_COLUMNS, Page, Picture, Replay, ReplayRuns, Table
from harness.paper.replay.known import REPLAYS, full_name
from harness.paper.replay.outcome import Summary, compared, in_one_sentence, outcome_words, summary, with_outcomes
from harness.paper.replay.page import Made, write_page

__all__ = [
    "POINT_COLUMNS",
    "REPLAYS",
    "Made",
    "Page",
    "Picture",
    "Replay",
    "ReplayRuns",
    "Summary",
    "Table",
    "compared",
    "full_name",
    "in_one_sentence",
    "outcome_words",
    "summary",
    "with_outcomes",
    "write_page",
]
