"""An experiment with looks on a cluster: each submission sends what undecided rules ask for by then."""

import pytest
from made_open import open_experiment
from sweeps import records, sweep, undisturbed

from harness.spec import read_manifest

pytestmark = pytest.mark.slurm

LOOKED = open_experiment(seeds=5, looks=[3, 5])


def test_a_submission_sends_the_next_look_once_the_one_before_has_ended(testbed, tmp_path):
    """It sends nothing while a look trains, nothing that no rule asks for, and no run twice."""
    swept = sweep(tmp_path)
    swept.file.write_text(LOOKED, encoding="utf-8")
    assert "first look, at 3 of 5 seeds: 18 of 18 runs to go" in swept.submit("--until-decided")
    assert "nothing to submit" in swept.submit("--until-decided")
    swept.wait_for_states({"done": 18, "planned": 12})
    plan = read_manifest(swept.folder)
    assert {f"{run_id}.json" for run_id in plan.with_seeds(3)} == set(records(swept))

    assert "“twins differ” is undecided at 3 of 5 seeds; the next look is at 5" in swept.submit("--until-decided")
    swept.wait_until_over()
    last = swept.submit("--until-decided")
    assert "no rule asks for more seeds" in last
    assert "nothing to submit" in last
    seen = swept.status()
    assert (seen["missing"], seen["unasked"]) == (0, 30 - len(records(swept)))
    assert seen["unasked"] > 0
    assert swept.harness("report").exit_code == 0
    alone, trained = undisturbed(LOOKED), records(swept)
    assert trained == {name: alone[name] for name in trained}  # whatever else a pack would have had
