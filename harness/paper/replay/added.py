"""Arms that a user added to the experiment of a figure: their points in it, and how they compare with all others.

They are compared by trainable parameters, which every network has. The paper's own count is of KANs and MLPs only.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from harness.base.formats import human
from harness.paper.replay.content import Replay, ReplayRuns, page_tables
from harness.paper.replay.names import chosen_runs, published_shape
from harness.show.tables.table import Table

COUNT = "params.trainable"
ADDED = "added"  # the curve of their points, where published ones have a shape or a depth
RIVALS = {"the published MLPs": ("mlp", "published"), "the published KANs": ("kan", "published")}
RIVALS |= {"our MLPs": ("mlp", "median"), "our KANs": ("kan", "median")}


def added_families(runs: ReplayRuns, replay: Replay) -> dict[str, str]:
    """The family of every arm that the experiment of the figure does not have."""
    arms = runs.manifest.experiment.arms
    return {name: arm.architecture.family for name, arm in arms.items() if name not in replay.arms}


def added_points(table: pd.DataFrame, families: Mapping[str, str], published: pd.DataFrame) -> pd.DataFrame:
    """A row a panel, network of an added arm and quantity that was published, as `curves.beside` has rows.

    A diverged run counts as infinitely bad.
    """
    runs = chosen_runs(table[table["arm"].isin(list(families))])
    panels = published[["task", "panel", "quantity"]].drop_duplicates()
    rows = runs.merge(panels, on="task")
    rows["error"] = [row[row["quantity"]] for _, row in rows.iterrows()]
    rows["error"] = rows["error"].fillna(np.inf)
    keys = ["task", "panel", "quantity", "arm", "series", "cell"]
    points = rows.groupby(keys, sort=False).agg(
        best=("error", "min"),
        median=("error", "median"),
        worst=("error", "max"),
        seeds=("error", "size"),
        shape=("shape", "first"),
        x=(COUNT, "first"),
    )
    points = points.reset_index().rename(columns={"series": "ours"})
    what = points["task"] + " " + points["ours"] + " " + published_shape(points["shape"])
    said = {"curve": ADDED, "family": points["arm"].map(families), "errata": "", "published": np.nan}
    return points.assign(what=what, outcome="not published", **said)


class Comparison(NamedTuple):
    """The best network of an added arm on a task, and the best of its rivals with at most as many parameters.

    `most` is the arm's largest number of parameters there; errors are medians over seeds, or as published.
    """

    arm: str
    task: str
    most: int
    error: float
    rival: str
    network: str
    rival_error: float

    @property
    def ratio(self) -> float:
        """How many times the rival's error the arm's is."""
        return self.error / self.rival_error


def comparisons(points: pd.DataFrame, added: pd.DataFrame) -> Iterator[Comparison]:
    """Every added arm against each kind of rival, on every task where one is small enough.

    `points` are those of `curves.beside` by trainable parameters. Errors of both are in the quantity that was published
    of the rival.
    """
    comparable = points[~points["outcome"].str.startswith("not comparable")]
    for (arm, task), own in added.groupby(["arm", "task"], sort=False):
        for rival, (family, error) in RIVALS.items():
            of_family = comparable[(comparable["task"] == task) & (comparable["family"] == family)]
            theirs = of_family[of_family["x"] <= own["x"].max()].dropna(subset=[error])
            if len(theirs):
                best = theirs.loc[theirs[error].idxmin()]
                least = own.loc[own["quantity"] == best["quantity"], "median"].min()
                network = str(best["what"]).removeprefix(f"{task} ")
                yield Comparison(str(arm), str(task), int(own["x"].max()), least, rival, network, float(best[error]))


def sentences(found: list[Comparison]) -> Iterator[str]:
    """How each added arm compares, in one sentence."""
    for arm in dict.fromkeys(one.arm for one in found):
        parts = []
        for rival in RIVALS:
            ratios = [one.ratio for one in found if (one.arm, one.rival) == (arm, rival)]
            if ratios:
                lower, typical = sum(ratio < 1 for ratio in ratios), float(np.exp(np.mean(np.log(ratios))))
                parts.append(
                    f"{rival} on {lower} of {len(ratios)} functions (typically {human(typical, 2)} times theirs)"
                )
        yield (
            f"{arm} has a lower test error than {', '.join(parts)}, each side with its best network of at most as many "
            f"trainable parameters as the largest of {arm}."
        )


def comparison_table(found: list[Comparison]) -> tuple[Table, ...]:
    """A row a comparison."""
    rows = [
        (one.arm, one.task, one.most, one.error, one.rival, one.network, one.rival_error, one.ratio) for one in found
    ]
    return page_tables("added", rows)
