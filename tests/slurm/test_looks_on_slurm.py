"""An experiment with looks on a cluster: each submission sends what undecided rules ask for by then."""

import pytest
from made_open import open_experiment
from sweeps import records, sweep, undisturbed

from harness.spec import read_manifest

pytestmark = pytest.mark.slurm

LOOKED = open_experiment(seeds=7, looks=[3, 5, 7]).replace(
    "sides: [good, twin], threshold: 1", "sides: [good, twin], within: 1.9"
)


def test_a_submission_sends_the_next_look_once_the_one_before_has_ended(testbed, tmp_path):
    swept = sweep(tmp_path)
    swept.file.write_text(LOOKED, encoding="utf-8")
    assert "first look, at 3 of 7 replicates: 18 of 18 runs to go" in swept.submit("--until-decided")
    assert "nothing to submit" in swept.submit("--until-decided")
    swept.wait_for_states({"done": 18, "planned": 24})
    plan = read_manifest(swept.folder)
    assert {f"{run_id}.json" for run_id in plan.with_seeds(3)} == set(records(swept))

    assert "“twins differ” is open; the next look is at 5 of 7 replicates" in swept.submit("--until-decided")
    swept.wait_until_over()
    last = swept.submit("--until-decided")
    assert "no rule asks for more replicates" in last
    assert "nothing to submit" in last
    seen = swept.status()
    assert (seen["missing"], seen["unasked"]) == (0, 42 - len(records(swept)))
    assert seen["unasked"] == 12
    assert swept.harness("report").exit_code == 0
    alone, trained = undisturbed(LOOKED), records(swept)
    assert trained == {name: alone[name] for name in trained}  # whatever else a pack would have had
