"""What the KAN paper published (arXiv 2404.19756, fifth version), and what is wrong in it, as tables.

Every row names its `source`, a key of the table `sources`, and has a `confidence`, a word of CONFIDENCE. `errata` holds
the ids of those errata that concern the row, `E1 E6`. An empty cell was not published.

Published values stand as they were published, wrong ones too; what an erratum gives in their place is in a column of
its own, `grid_corrected` beside `grid`. `params.paper` is what the paper's axes say, edges times G but for errata;
`params.trainable`, computed, has the G + k coefficients and two scales of every edge, and an MLP's biases.
"""

from importlib.resources import files
from typing import NamedTuple

import pandas as pd

from harness.base.errors import HarnessError, did_you_mean


class PublishedTable(NamedTuple):
    """What a table holds, in one sentence, and where in the paper that is."""

    what: str
    place: str


TABLES = {
    "toy_scaling": PublishedTable("Test RMSE of KANs and MLPs on five functions, against parameters.", "Fig. 3.1"),
    "toy_guides": PublishedTable("The dashed lines of theory, and the exponents they are labelled with.", "Fig. 3.1"),
    "grid_extension": PublishedTable(
        "Errors and seconds of a step at the end of every grid of one training.", "Fig. 2.3"
    ),
    "special_functions": PublishedTable(
        "Shapes and errors of pruned KANs, and an MLP, on 15 special functions.", "Table 1"
    ),
    "feynman": PublishedTable("Shapes and errors of three kinds of KANs, and an MLP, on 27 equations.", "Table 2"),
    "frontiers": PublishedTable(
        "Pareto frontiers of both families on those functions and equations.", "Figs. 3.2, D.1"
    ),
    "pde_scaling": PublishedTable("Squared errors of solutions of Poisson's equation, against parameters.", "Fig. 3.3"),
    "pde_dynamics": PublishedTable("The same during training, at the end of every grid.", "Fig. 3.3"),
    "knots": PublishedTable("Accuracy on signatures of knots, and losses of the relations found.", "Table 3, sec. 4.3"),
    "knot_formulas": PublishedTable("Formulas of the signature, by people and by KANs.", "Table 4"),
    "anderson": PublishedTable("Formulas of mobility edges and their accuracy.", "Table 5, sec. 4.4"),
    "interpretability": PublishedTable("Shapes before and after pruning on six functions; no numbers.", "Sec. 4.1"),
    "ablation": PublishedTable("Edges left of a sparse KAN, as far as the figure tells them.", "App. C"),
    "protocol": PublishedTable("How each experiment was done; an empty value is not stated anywhere.", "throughout"),
    "claims": PublishedTable("What the paper claims, how to check it, and what its own numbers say.", "throughout"),
    "exponents": PublishedTable("Least-squares exponents of the published points.", "computed"),
    "tables_against_figures": PublishedTable("The MLP columns of Tables 1 and 2 beside Figs. 3.2 and D.1.", "computed"),
    "tutorials": PublishedTable("Errors printed in the tutorials that pykan came with.", "pykan"),
    "reruns": PublishedTable("Errors of pykan's released code on four of the functions.", "pykan"),
    "pykan_defaults": PublishedTable("Defaults of pykan when the paper appeared, and since.", "pykan"),
    "errata": PublishedTable("What is wrong in the paper, the evidence, and what to use instead.", "throughout"),
    "sources": PublishedTable("What the keys in the columns `source` stand for.", ""),
}
CONFIDENCE = {
    "read": "read in the source",
    "computed": "computed from what was read",
    "rerun": "the outcome of a run of the released code",
    "inferred": "concluded, and not said by the source",
}
WHOLE_NUMBERS = (
    *("panel", "inputs", "depth", "width", "grid", "grid_corrected", "grid_updates_until", "step", "steps", "points"),
    *("params.paper", "params.paper_corrected", "params.trainable", "params.stated", "seed", "train_points"),
    *("mlp_width5_params", "mlp_any_width_params", "kan_frontier_params", "edges"),
)


def names() -> tuple[str, ...]:
    """The tables that there are."""
    return tuple(TABLES)


def load(name: str) -> pd.DataFrame:
    """A table by its name; numbers are numbers (Int64 where whole), shapes are text, `[2,5,1]`."""
    if name not in TABLES:
        raise HarnessError(f"there is no published table {name!r}; {did_you_mean(name, TABLES)}")
    dtypes = {**dict.fromkeys(WHOLE_NUMBERS, "Int64"), "errata": "str"}
    with files(__name__).joinpath(f"{name}.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file, dtype=dtypes, keep_default_na=False, na_values=[""])
    return table.fillna({"errata": ""}) if "errata" in table else table


def errata() -> pd.DataFrame:
    """What is wrong in the paper, one row an erratum."""
    return load("errata")
