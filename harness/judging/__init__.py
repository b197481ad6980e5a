"""Decision rules evaluated on the runs of their experiments, by their numbers and by nothing else."""

from harness.judging.found import Found
from harness.judging.judge import Number, Verdict, judge, judge_all, sentence, to_json
from harness.judging.quantities import Runs, runs_of
from harness.judging.words import rule_words

__all__ = ["Found", "Number", "Runs", "Verdict", "judge", "judge_all", "rule_words", "runs_of", "sentence", "to_json"]
