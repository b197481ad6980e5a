"""Arms that a user added to the experiment of a figure: their points in it, and how they compare with all others.

They are compared by trainable parameters, which every network has. The paper's own count is of KANs and MLPs only.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.base.formats import human
from harness.paper.replay.content import Replay, ReplayRuns
from harness.paper.replay.names import chosen_runs, published_shape

COUNT = "params.trainable"
ADDED = "added"  # the curve of their points, where published ones have a shape or a depth
RIVALS = {"the published MLPs": ("mlp", "published"), "the published KANs": ("kan", "published")}
RIVALS |= {"our MLPs": ("mlp", "median"), "our KANs": ("kan", "median")}  # a family, and whose error it is


def added_families(runs: ReplayRuns, replay: Replay) -> dict[str, str]:
    """The family of every arm that the experiment of the figure does not have."""
    arms = runs.manifest.experiment.arms
    return {name: arm.architecture.family for name, arm in arms.items() if name not in replay.arms}


def added_points(table: pd.DataFrame, families: Mapping[str, str], published: pd.DataFrame) -> pd.DataFrame:
    """A row a panel, network of an added arm and published quantity, as `curves.beside`; inf if a run diverged."""
    runs = chosen_runs(table[table["arm"].isin(list(families))])
    rows = runs.merge(published[["task", "panel", "quantity"]].drop_duplicates(), on="task")
    rows["error"] = [row[row["quantity"]] for _, row in rows.iterrows()]
    rows["error"] = rows["error"].fillna(np.inf)
    networks = rows.groupby(["task", "panel", "quantity", "arm", "series", "cell"], sort=False)
    points = networks["error"].agg(best="min", median="median", worst="max", seeds="size")
    points = points.assign(shape=networks["shape"].first(), x=networks[COUNT].first()).reset_index()
    points = points.rename(columns={"series": "ours"})
    what = points["task"] + " " + points["ours"] + " " + published_shape(points["shape"])
    unpublished = {"curve": ADDED, "errata": "", "published": np.nan, "outcome": "not published"}
    return points.assign(what=what, family=points["arm"].map(families), **unpublished)


def comparisons(points: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """A row an added arm, task and kind of rival: the best networks of at most as many parameters as the arm's largest.

    `points` are those of `curves.beside` by trainable parameters. Errors are in the quantity that was published of the
    rival; `ratio` is how many times the rival's error the arm's is.
    """
    rows: list[dict[str, Any]] = []
    comparable = points[~points["outcome"].str.startswith("not comparable")]
    for (arm, task), ours in added.groupby(["arm", "task"], sort=False):
        for rival, (family, error) in RIVALS.items():
            theirs = comparable[(comparable["task"] == task) & (comparable["family"] == family)]
            theirs = theirs[theirs["x"] <= ours["x"].max()].dropna(subset=[error])
            if len(theirs):
                best = theirs.loc[theirs[error].idxmin()]
                least = ours.loc[ours["quantity"] == best["quantity"], "median"].min()
                network = str(best["what"]).removeprefix(f"{task} ")
                row = {"arm": arm, "task": task, "most": ours["x"].max(), "error": least, "rival": rival}
                rows.append(row | {"network": network, "their_error": best[error], "ratio": least / best[error]})
    return pd.DataFrame(rows)


def sentences(ratios_of_arms: pd.DataFrame) -> Iterator[str]:
    """How each added arm compares, in one sentence."""
    for arm, of_arm in ratios_of_arms.groupby("arm", sort=False):
        parts: list[str] = []
        for rival, ratios in of_arm.groupby("rival", sort=False)["ratio"]:
            times = human(float(np.exp(np.log(ratios).mean())), 2)
            functions = "" if parts else " functions"
            parts.append(f"{times} times that of {rival} (lower on {(ratios < 1).sum()} of {len(ratios)}{functions})")
        yield (
            f"Among networks with at most as many trainable parameters, the test error of {arm} is typically "
            f"{', '.join(parts)}."
        )
