"""Published figures and tables beside runs of ours, each on a page of its own.

A replay is a row of `known.py`: the name of an experiment in experiments/, and its *kind*. That is
one function from (ReplayRuns, Replay) to a Page (`content.py`): every point, figures, tables. What
a replay is called, and what stands beside its tables and pictures, is in texts.toml. A kind reads
what was published by `harness.paper.reference.load`, puts our median, best and worst beside it
(`points.point`, or `curves.beside` for curves), and has `points.with_outcomes` say what each pair
comes to. `page.py` writes any Page, and adds what all have: how the run differed from the full
experiment, where the paper is silent (silent.csv), the errata of the points, what it took, and the
command.

So a new replay is an experiment file and a row, of a kind that there is (`curves.py`, `bests.py`)
or of its own (`forgetting.py`). What a kind needs beside ReplayRuns and Replay, such as the columns
of a figure's panels, is bound to it by `functools.partial`. `tests/paper/tiny/<name>.yaml` then
says what to change for a slice of the experiment that a test can run in seconds.
"""

from harness.paper.replay.content import Page, Picture, Replay, ReplayRuns
from harness.paper.replay.known import EXTENDED, REPLAYS
from harness.paper.replay.page import Made, write_page
from harness.paper.replay.points import POINT_COLUMNS, summary, with_outcomes
