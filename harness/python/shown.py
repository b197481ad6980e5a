"""What every function of the interface answers with."""

from abc import ABC, abstractmethod
from uuid import uuid4

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from harness.show.figures.svg import inline_svg

MOST_ROWS, MOST_COLUMNS = 20, 16  # of a table in a notebook, which shows the first and the last ones


class Shown(ABC):
    """Sentences, a table and a figure. `print` gives the sentences, a notebook shows all three."""

    @property
    @abstractmethod
    def sentences(self) -> list[str]:
        """What it says in words, the most important sentence first."""

    @property
    @abstractmethod
    def table(self) -> pd.DataFrame:
        """What it says in numbers."""

    @abstractmethod
    def figure(self) -> Figure | None:
        """What it says as a new matplotlib figure; None where there is nothing to draw."""

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        said = [Markup("<p>{}</p>").format(sentence) for sentence in self.sentences]
        table = self.table.to_html(max_rows=MOST_ROWS, max_cols=MOST_COLUMNS, index=False, notebook=True)
        drawn = inline_svg(self.figure, f"figure-{uuid4().hex[:8]}", self.sentences[0])
        return "\n".join([*said, table, drawn or ""])
