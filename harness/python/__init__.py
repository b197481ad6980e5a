"""The interface from Python: what the commands do, as functions whose answers have a table and a figure.

`harness` exports these names and imports them when they are first used.
"""

from harness.python.compared import Comparison, compare
from harness.python.judged import Verdicts, verdicts
from harness.python.networks import load_network
from harness.python.shown import Shown
from harness.python.study import Plan, Study, plan, read
from harness.python.trained import Answer, Runs, run, runs
