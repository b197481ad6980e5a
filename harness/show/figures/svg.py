"""A figure as SVG inside a page: letters stay letters, and colours follow the page, dark or light.

What matplotlib writes is made smaller, and safe beside other figures: ids are unique in a page. Greys become shades of
the page's ink, white becomes the page itself, and every other colour is a variable that is lighter on a dark page.
"""

import io
import re
from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib
from markupsafe import Markup
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from harness.show.figures.series import shaded
from harness.show.figures.theme import COLUMN_SCALE, COLUMN_WIDTH, lay_out, narrow, themed

SVG = "http://www.w3.org/2000/svg"
MOST_CHROMA = 0.02  # between the parts of a grey
INK_LIGHTNESS = 0.2  # greys below it are the page's ink
# How far colours are mixed with white on a dark page. Letters, which are darker than their marks, need more of it.
DARK_PAGE_SHADES = {"c": 0.35, "text": 0.6}
PIXELS_AN_INCH = 150  # how large a figure is at most: its letters are as high as those of the page
NARROW_PAGE = "37.5rem"  # 600 pixels: of pages up to it, the narrow layout is shown
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@themed
def inline_svg(draw: Callable[[], Figure | None], name: str, says: str) -> Markup | None:
    """The figure in two layouts, of which the width of the page shows one; None where there is nothing to draw.

    `name` tells the figure from others of the page; `says` is what it says to who cannot see it.
    """
    wide = draw()
    with narrow():
        stacked = draw() if wide else None
    if wide is None or stacked is None:
        return None
    hidden = (
        f"@media (max-width:{NARROW_PAGE}){{#{name}-wide{{display:none}}}}"
        f"@media (min-width:{NARROW_PAGE}){{#{name}-narrow{{display:none}}}}"
    )
    layouts = _one_svg(wide, f"{name}-wide", says) + _one_svg(stacked, f"{name}-narrow", says)
    return Markup(f"<style>{hidden}</style>{layouts}")


def _one_svg(figure: Figure, name: str, says: str) -> str:
    image = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        lay_out(figure)
        figure.savefig(image, format="svg", transparent=True, metadata=NO_METADATA)
    root = ElementTree.fromstring(_with_unique_ids(image.getvalue(), name))
    colours: dict[str, str] = {}
    for element in root.iter():
        for child in list(element):
            if _kind(child) in ("metadata", "style"):
                element.remove(child)
        _restyle(element, colours)
        _round(element)
    for group in root.iter(f"{{{SVG}}}g"):
        _share_style(group)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    width = figure.get_figwidth() * PIXELS_AN_INCH / (COLUMN_SCALE if figure.get_figwidth() == COLUMN_WIDTH else 1)
    looks = f"width:100%;max-width:{width:.0f}px;height:auto;fill:currentColor;stroke-linejoin:round"
    root.attrib |= {"id": name, "role": "img", "aria-label": says, "style": looks}
    title = Element(f"{{{SVG}}}title")
    title.text = says
    root.insert(0, title)
    root.insert(1, _palette(colours, name))
    ElementTree.register_namespace("", SVG)
    text = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r">\s+<", "><", text).replace(" />", "/>")


def _kind(element: Element) -> str:
    return element.tag.removeprefix(f"{{{SVG}}}")


def _restyle(element: Element, colours: dict[str, str]) -> None:
    """Colours that follow the page, in the font of the page; `colours` gathers the variables: name -> colour."""
    if not (style := element.get("style")):
        return
    looks = dict(part.strip().split(": ", 1) for part in style.split(";") if part.strip())
    looks.pop("font-family", None)
    if font := looks.pop("font", None):
        size = re.search(r"[\d.]+px", font)
        assert size is not None
        looks |= {"font-size": size[0]} | ({"font-weight": "bold"} if "bold" in font or "700" in font else {})
    for of_what in ("fill", "stroke"):
        if looks.get(of_what, "none") == "none":
            continue
        colour, opacity = _of_page(looks[of_what], "text" if _kind(element) == "text" else "c", colours)
        looks[of_what] = colour
        if opacity < 1:
            name = f"{of_what}-opacity"
            looks[name] = f"{float(looks.get(name, 1)) * opacity:.2g}"
    element.set("style", ";".join(f"{name}:{value}" for name, value in looks.items()))


def _of_page(colour: str, use: str, colours: dict[str, str]) -> tuple[str, float]:
    """What stands for a colour on a page of any background, and how opaque; `use` is one of DARK_PAGE_SHADES."""
    parts = to_rgb(colour)
    if max(parts) - min(parts) > MOST_CHROMA:
        name = f"--{use}-{colour.removeprefix('#')}"
        colours[name] = colour
        return f"var({name})", 1.0
    if parts[0] == 1:
        return "var(--page,Canvas)", 1.0
    return "currentColor", 1.0 if parts[0] < INK_LIGHTNESS else 1 - parts[0]


def _palette(colours: dict[str, str], name: str) -> Element:
    light, dark = [], []
    for variable, colour in colours.items():
        light.append(f"{variable}:{colour}")
        dark.append(f"{variable}:{shaded(colour, DARK_PAGE_SHADES[variable.split('-')[2]])}")
    style = Element(f"{{{SVG}}}style")
    style.text = (
        f"#{name}{{{';'.join(light)}}}@media screen and (prefers-color-scheme:dark){{#{name}{{{';'.join(dark)}}}}}"
    )
    return style


def _round(element: Element) -> None:
    """Hundredths of a point, which nobody sees."""
    for name in ("d", "x", "y", "transform", "width", "height"):
        if value := element.get(name):
            shorter = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)
            element.set(name, shorter.replace(" \n", "").replace("\n", ""))


def _share_style(group: Element) -> None:
    """What all marks of a group have in common is said once."""
    looks = {(_kind(mark), mark.get("style", "")) for mark in group}
    if len(group) < 2 or len(looks) > 1:
        return
    ((kind, style),) = looks
    if kind == "use":
        group.set("style", style)
        for mark in group:
            mark.attrib.pop("style", None)


def _with_unique_ids(text: str, name: str) -> str:
    """Ids that something refers to are the figure's name and a number; no other is kept."""
    text = text.replace("xlink:href=", "href=")
    referred = dict.fromkeys(re.findall(r'(?:href="|url\()#([^")]+)', text))
    unique = {identity: f"{name}-{number}" for number, identity in enumerate(referred)}
    text = re.sub(r'((?:href="|url\()#)([^")]+)', lambda found: found[1] + unique[found[2]], text)

    def renamed(tag: re.Match[str]) -> str:
        return tag[1] + (f' id="{unique[tag[2]]}"' if tag[2] in unique else "")

    return re.sub(r'(<\w+[^<>]*?) id="([^"]*)"', renamed, text)
