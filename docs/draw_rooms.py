"""Draws the way of an experiment file through the rooms of harness: docs/figures/rooms.png.

python docs/draw_rooms.py
"""

import itertools
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

PICTURE = Path(__file__).parent / "figures" / "rooms.png"
WIDTH, HEIGHT, COLUMN, ROW = 1.7, 0.8, 2.15, 1.55
# Name, what is used on the way, column, row, and whether it is a room or what lies in a file.
STOPS = (
    ("FILE.yaml", "a question", 0, 1, "file"),
    ("spec", "read it", 1, 1, "room"),
    ("planning", "runs; uses count", 2, 1, "room"),
    ("dispatch", "here or on a cluster", 3, 1, "room"),
    ("train", "uses tasks, families", 4, 1, "room"),
    ("results/runs/", "one record a run", 4, 0, "file"),
    ("record", "one table", 3, 0, "room"),
    ("judging", "laws, comparison", 2, 0, "room"),
    ("show", "figures, pages", 1, 0, "room"),
    ("report.html", "an answer", 0, 0, "file"),
)
COLOUR = {"room": "#d7e6f5", "file": "#f6eedd"}


def draw_box(axes: Axes, name: str, words: str, x: float, y: float, colour: str) -> None:
    """A box with a name and what happens there."""
    corner = (x - WIDTH / 2, y - HEIGHT / 2)
    shape = "round,pad=0.02,rounding_size=0.1"
    axes.add_patch(
        FancyBboxPatch(
            corner, WIDTH, HEIGHT, boxstyle=shape, facecolor=colour, edgecolor="0.4", lw=0.8
        )
    )
    axes.text(x, y + 0.13, name, ha="center", va="center", fontsize=10.5)
    axes.text(x, y - 0.19, words, ha="center", va="center", fontsize=7, color="0.3")


def main() -> None:
    """Draw the picture."""
    figure, axes = plt.subplots(figsize=(8.6, 2.9))
    places = []
    for name, words, column, row, kind in STOPS:
        places.append((column * COLUMN, row * ROW))
        draw_box(axes, name, words, *places[-1], COLOUR[kind])
    for (x0, y0), (x1, y1) in itertools.pairwise(places):
        right, down = (x1 > x0) - (x1 < x0), (y1 < y0)
        start = (x0 + right * (WIDTH / 2 + 0.05), y0 - down * (HEIGHT / 2 + 0.05))
        end = (x1 - right * (WIDTH / 2 + 0.05), y1 + down * (HEIGHT / 2 + 0.05))
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.25", "lw": 1.2})
    axes.set_xlim(-1.0, 4 * COLUMN + 1.0)
    axes.set_ylim(-0.55, ROW + 0.55)
    axes.axis("off")
    figure.savefig(PICTURE, dpi=160, bbox_inches="tight", metadata={"Software": None})


if __name__ == "__main__":
    main()
