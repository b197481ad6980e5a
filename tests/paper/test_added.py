"""An arm of a user's in a figure of the paper: only it trains, it is drawn, and it is compared at
equal size.
"""

import json
from pathlib import Path

import pandas as pd
from commands import said
from made_records import made_of_plan

from harness.paper.replay.curves import comparisons, sentences
from harness.record.store import publish
from harness.study.folders import StudyFile, keep_records
from harness.study.plans import freeze_file, plan_of
from tests.paper.tiny_scales import bring

NAME = "fig3_1_toy_scaling"
ARM = (
    "mine: {architecture: {family: chebyshev_kan, hidden: [2]}, recipe: long, sizes: "
    "{degree: [2, 3]}}"
)


def test_an_added_arm_alone_trains_and_stands_in_the_figure(here):
    """The runs of the experiment itself are kept, in a file from which a copy of other name takes
    them by id.
    """
    bring(NAME, here)
    shipped = StudyFile(Path("experiments") / f"{NAME}.yaml", scale="tiny")
    theirs = freeze_file(shipped, replan=False, say=print)
    for record in made_of_plan(theirs):
        publish(record, here / "results" / "runs")
    kept = keep_records(shipped.folder).path
    kept.parent.rename(kept.parents[1] / NAME)
    (here / "results" / "runs").rename(here / "trained elsewhere")
    text = (here / "experiments" / f"{NAME}.yaml").read_text(encoding="utf-8")
    Path("mine.yaml").write_text(text.replace("\narms:\n", f"\narms:\n  {ARM}\n"), encoding="utf-8")
    mine = set(plan_of(StudyFile(Path("mine.yaml"), scale="tiny")).run_ids()) - set(
        theirs.run_ids()
    )

    output = said("run", "mine.yaml", "--scale", "tiny", "--workers", "1")

    assert len(mine) == 4  # two sizes on two functions, one seed
    assert f"{len(theirs.run_ids())} records came from" in output
    trained = {path.stem for path in Path("results/runs").glob("*.json")}
    assert trained == mine | set(theirs.run_ids())
    lead = "Among networks with at most as many trainable parameters, the test error of"
    assert lead in output
    folder = here / "results" / "mine-tiny"
    top = (folder / "replay.html").read_text(encoding="utf-8").partition("<figure>")[0]
    assert top.index(lead) < top.index("Replicates ")
    points = pd.read_csv(folder / "replay.csv")
    assert len(points[points["arm"] == "mine"]) == len(mine)
    assert (
        json.loads((folder / "replay.json").read_text(encoding="utf-8"))["figures"][0] == "replay"
    )
    assert (folder / "replay.png").stat().st_size > 1000


def test_a_figure_that_takes_no_arms_is_named_before_anything_trains(here):
    said("new", "mine", "--from", "Fig 3.1")
    said("new", "other", "--from", "table1")
    text = Path("mine.yaml").read_text(encoding="utf-8")
    Path("mine.yaml").write_text(
        text.replace(f"figure: {NAME}", "figure: fig3_1"), encoding="utf-8"
    )
    output = said("run", "mine.yaml", "--scale", "short", exit_code=2)
    allowed = "fig2_3_grid_extension, fig3_1_toy_scaling"
    assert f"figure: fig3_1: no figure to which arms can be added; allowed: {allowed}" in output
    assert not Path("results").exists()


def test_an_arm_is_compared_with_the_best_of_at_most_its_size():
    of_all = {"task": "xy", "family": "kan", "what": "xy [2,2,1]", "median": float("nan")}
    rows = [
        (10, 8.0, "worse"),
        (100, 2.0, "worse"),
        (50, 1.0, "not comparable (E4)"),
        (1000, 0.1, "better"),
    ]
    points = [
        of_all | {"x": x, "published": error, "outcome": outcome, "quantity": "median"}
        for x, error, outcome in rows
    ]
    added = [
        {"arm": "mine", "task": "xy", "x": x, "quantity": quantity, "median": error}
        for x, quantity, error in ((90, "median", 1.0), (100, "median", 3.0), (90, "rmse", 0.01))
    ]
    (found,) = comparisons(pd.DataFrame(points), pd.DataFrame(added)).to_dict("records")
    assert (found["most"], found["error"], found["their_error"], found["ratio"]) == (
        100,
        1.0,
        2.0,
        0.5,
    )
    assert (found["rival"], found["network"]) == ("the published KANs", "[2,2,1]")
    (sentence,) = sentences(pd.DataFrame([found, found | {"task": "j0", "ratio": 4.0}]))
    assert sentence.endswith(
        "is typically 1.4 times that of the published KANs (lower on 1 of 2 functions)."
    )
