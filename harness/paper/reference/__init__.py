"""What the KAN paper published (arXiv 2404.19756, fifth version), and what is wrong in it, as
tables.

tables.csv lists them. Every row names its `source`, a key of the table `sources`, and has a
`confidence`, a word of CONFIDENCE. `errata` holds the ids of those errata that concern the row, `E1
E6`. An empty cell was not published.

Published values stand as they were published, wrong ones too; what an erratum gives in their place
is in a column of its own, `grid_corrected` beside `grid`. `params.paper` is what the paper's axes
say, edges times G but for errata; `params.trainable`, computed, has the G + k coefficients and two
scales of every edge, and an MLP's biases.
"""

from importlib.resources import files

import pandas as pd

from harness.base.errors import HarnessError, did_you_mean

CONFIDENCE = {
    "read": "read in the source",
    "computed": "computed from what was read",
    "rerun": "the outcome of a run of the released code",
    "inferred": "concluded, and not said by the source",
}
WHOLE_NUMBERS = (
    *(
        "panel",
        "inputs",
        "depth",
        "width",
        "grid",
        "grid_corrected",
        "grid_updates_until",
        "step",
        "steps",
        "points",
    ),
    *(
        "params.paper",
        "params.paper_corrected",
        "params.trainable",
        "params.stated",
        "seed",
        "train_points",
    ),
    *("mlp_width5_params", "mlp_any_width_params", "kan_frontier_params", "edges"),
)


def _read(name: str) -> pd.DataFrame:
    dtypes = {**dict.fromkeys(WHOLE_NUMBERS, "Int64"), "errata": "str"}
    with files(__name__).joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=dtypes, keep_default_na=False, na_values=[""])


TABLES = _read("tables").fillna(
    ""
)  # `table`, `place` in the paper, and `what` it holds, in one sentence


def names() -> tuple[str, ...]:
    """The tables that there are."""
    return tuple(TABLES["table"])


def load(name: str) -> pd.DataFrame:
    """A table by its name; numbers are numbers (Int64 where whole), shapes are text, `[2,5,1]`."""
    if name not in names():
        raise HarnessError(f"there is no published table {name!r}; {did_you_mean(name, names())}")
    table = _read(name)
    return table.fillna({"errata": ""}) if "errata" in table else table


def corrected(table: pd.DataFrame, column: str) -> pd.Series:
    """A column with the values that errata give in place of the published ones."""
    name = f"{column}_corrected"
    return table[name].fillna(table[column]) if name in table else table[column]
