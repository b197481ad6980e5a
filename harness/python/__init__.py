"""The interface from Python: what the commands do, as functions whose answers have a table and a
figure.

`harness` exports these names and imports them when they are first used.
"""

from harness.python.answers import (
    Answer,
    Comparison,
    Runs,
    Verdicts,
    compare,
    load_network,
    run,
    runs,
    verdicts,
)
from harness.python.laws import ComparisonByLaws, Laws, NextDesign, Rungs, design, fit, match
from harness.python.study import Plan, Shown, Study, new, plan, read
