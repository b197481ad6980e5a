"""A figure as SVG inside a page: letters stay letters in the font of the page, and ids are unique
beside other figures.

It is drawn on white. On a dark page of ours style.html turns its lightness over.
"""

import io
import re
from collections.abc import Callable

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from harness.show.figures.theme import COLUMN_SCALE, COLUMN_WIDTH, lay_out, narrow, themed

PIXELS_AN_INCH = 150  # how large a figure is at most: its letters are as high as those of the page
NARROW_PAGE = "37.5rem"  # 600 pixels: of pages up to it, the narrow layout is shown
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
COORDINATES = re.compile(r' (?:d|x|y|transform)="[^"]*"')
DIGITS = re.compile(
    r"(\.\d\d)\d+"
)  # of which the first two are left: nobody sees less than hundredths of a point
# What matplotlib writes and no page needs: comments, its own style, which would be of the whole
# page, and metadata.
NOT_FOR_PAGES = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>|(?<=>)\s+(?=<)", re.DOTALL
)


@themed
def inline_svg(draw: Callable[[], Figure | None], name: str, says: str) -> Markup | None:
    """The figure in two layouts, of which the width of the page shows one; None where there is
    nothing to draw.

    `name` tells the figure from others of the page; `says` is what it says to who cannot see it.
    """
    wide = draw()
    with narrow():
        stacked = draw() if wide else None
    if wide is None or stacked is None:
        return None
    style = (
        f"@media (max-width:{NARROW_PAGE}){{#{name}-wide{{display:none}}}}"
        f"@media (min-width:{NARROW_PAGE}){{#{name}-narrow{{display:none}}}}"
        f"#{name}-wide text,#{name}-narrow text{{font-family:inherit!important}}"
    )
    layouts = _one_svg(wide, f"{name}-wide", says) + _one_svg(stacked, f"{name}-narrow", says)
    return Markup(f"<style>{style}</style>{layouts}")


def _one_svg(figure: Figure, name: str, says: str) -> str:
    image = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        lay_out(figure)
        figure.savefig(image, format="svg", metadata=NO_METADATA)
    _, root, drawn = re.split(r"<svg([^>]*)>", NOT_FOR_PAGES.sub("", image.getvalue()), maxsplit=1)
    drawn = COORDINATES.sub(lambda attribute: DIGITS.sub(r"\1", attribute[0]), drawn).replace(
        "xlink:href", "href"
    )
    links = set(
        re.findall(r'(?:href="|url\()#([^")]+)', drawn)
    )  # whose targets are named by hashes with the salt
    drawn = re.sub(r' id="([^"]*)"', lambda target: target[0] if target[1] in links else "", drawn)
    view = re.search(r'viewBox="[^"]*"', root)
    assert view is not None
    width = (
        figure.get_figwidth()
        * PIXELS_AN_INCH
        / (COLUMN_SCALE if figure.get_figwidth() == COLUMN_WIDTH else 1)
    )
    look = f"width:100%;max-width:{width:.0f}px;height:auto;background:#fff;stroke-linejoin:round"
    named = f'id="{name}" role="img" aria-label="{escape(says)}" style="{look}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {view[0]} '
        f"{named}><title>{escape(says)}</title>{drawn.strip()}"
    )
