"""What the documentation site needs beside mkdocs: files outside of docs/, and the help of
commands.

Files of the site have their paths in the repository, so that a link leads to the same file there
and on GitHub. What a page links to is part of the site: Markdown, notebooks, code and folders as
pages, other files as they are.
"""

import html
import inspect
import json
import posixpath
import re
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from harness.cli import main
from harness.cli.group import imported

ROOT = Path(__file__).parents[2]
# In Markdown ("[a](b)", and "[a]: b" in a line of its own) and HTML, and not to other sites.
LINK = re.compile(
    r'(?:\]\(|^\[[^\]]+\]: )([^)#\s:]+)(?:[)#]|$)|(?:href|src)="([^"#:]+)["#]', re.MULTILINE
)
BY_FILE = re.compile(
    r"\[[\w/-]+\.md\]\(([^)#\s:]+\.md)(#[^)]*)?\)"
)  # a link whose words are the name of a file
WITH_LINKS = {".md", ".ipynb", ".html", ""}  # a folder has no suffix
CODE = {".py": "python", ".yaml": "yaml"}
HELP_WIDTH = 76  # characters
PLACE = re.compile(r"[\w/]+<\w+>[^\s,]*")  # such as `results/<name>`, which else would be a tag
LEFT_OUT = {".xz", ".pdf"}  # of folders: large records, and figures that are there as PNG too


class Converted(File):
    """A page that is made of something other than Markdown."""

    def is_documentation_page(self) -> bool:
        """True, as of Markdown."""
        return True


def on_startup(command: str, dirty: bool) -> None:
    """Put the commands in place of their stand-ins, and make their help Markdown, with an example
    and the options.
    """
    main.context_settings["terminal_width"] = HELP_WIDTH
    main.help = inspect.cleandoc(main.help or "").replace(
        ":\n    ", ":\n\n    "
    )  # indented after a blank line: code
    for name in list(main.commands):
        command_itself = imported(name)
        example = (command_itself.epilog or "").removeprefix("Example: ")
        help_words = inspect.cleandoc(command_itself.help or "")
        command_itself.help = (
            f"{help_words}\n\n**Example:**\n\n```sh\n{example}\n```\n\n{options_of(command_itself)}"
        )
        main.add_command(command_itself)


def options_of(command: click.Command) -> str:
    """The options of a command as a definition list, which fits a phone, without the `--help` of
    all commands.

    They are hidden from mkdocs-click, which would list them as code.
    """
    command.add_help_option = False
    listed = ["**Options:**"]
    for parameter in command.get_params(click.Context(command)):
        if isinstance(parameter, click.Option) and (
            record := parameter.get_help_record(click.Context(command))
        ):
            names, words = record
            listed.append(f"`{names}`\n:   " + PLACE.sub(r"`\g<0>`", words))
            parameter.hidden = True
    return "\n\n".join(listed)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Name the files of docs/ by their paths in the repository, and add all that pages link to."""
    of_theme = [file for file in files if file.src_dir != config.docs_dir]
    found = {}
    for file in files:
        if file.src_dir == config.docs_dir and file.inclusion.is_included():
            uri = f"docs/{file.src_uri}"
            found[uri] = unchanged(uri, file.dest_uri, config)
    unread = list(found.values())
    while unread:
        for uri in linked(unread.pop()):
            if uri not in found and (ROOT / uri).exists():
                found[uri] = brought(uri, config)
                unread.append(found[uri])
    return Files([*of_theme, *found.values()])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep search to pages of the nav, give others (code) the whole screen, name links by titles,
    and mend one page.

    The log of changes has lines that begin with two words in brackets, which is a link in Markdown.
    """
    if not (page.parent or page.is_homepage):
        page.meta |= {"search": {"exclude": True}, "hide": ["navigation", "toc"]}
    markdown = BY_FILE.sub(
        lambda link: f"[{title_of(page, link[1])}]({link[1]}{link[2] or ''})", markdown
    )
    return markdown.replace("] [", "], [") if page.file.src_uri == "CHANGELOG.md" else markdown


def title_of(page: Page, target: str) -> str:
    """The first heading of the page that a link of this page leads to."""
    path = ROOT / posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), target))
    return (
        path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        if path.exists()
        else target
    )


def linked(file: File) -> list[str]:
    """The paths that a page links to, from the top of the repository."""
    if Path(file.src_uri).suffix not in WITH_LINKS:
        return []
    targets = [in_markdown or in_html for in_markdown, in_html in LINK.findall(file.content_string)]
    return [
        posixpath.normpath(posixpath.join(posixpath.dirname(file.src_uri), target))
        for target in targets
    ]


def brought(uri: str, config: MkDocsConfig) -> File:
    """A file or folder outside of docs/, as a page or as it is."""
    path = ROOT / uri
    if path.is_dir():
        page = Converted.generated(config, uri, content=markdown_of_folder(path))
        page.dest_uri = f"{uri}/files.html"  # experiments.html is docs/experiments.md
    elif path.suffix == ".ipynb":
        page = Converted.generated(config, uri, content=markdown_of_notebook(path))
    elif path.suffix in CODE:
        code = path.read_text(encoding="utf-8")
        page = Converted.generated(
            config, uri, content=f"# {uri}\n\n````{CODE[path.suffix]}\n{code}\n````"
        )
    elif path.suffix == ".html":
        page = File.generated(config, uri, content=with_way_home(path))
    else:
        page = unchanged(uri, uri, config)
        if path.suffix == ".md":  # README.html, as a folder may have an index.html of its own
            page.dest_uri = f"{uri.removesuffix('.md')}.html"
    page.inclusion = InclusionLevel.NOT_IN_NAV
    return page


def unchanged(uri: str, destination: str, config: MkDocsConfig) -> File:
    """A file of the repository, which mkdocs reads where it stands."""
    return File(uri, str(ROOT), config.site_dir, config.use_directory_urls, dest_uri=destination)


def with_way_home(page: Path) -> str:
    """A page that stands by itself, with a link to the site."""
    home = "../" * len(page.relative_to(ROOT).parents[1:]) + "index.html"
    return page.read_text(encoding="utf-8").replace(
        "<body>", f'<body>\n<p><a href="{home}">Documentation</a></p>'
    )


def markdown_of_folder(folder: Path) -> str:
    """Links to its files, pages first and by their titles, and its figures."""
    files, figures = [], []
    for path in sorted(folder.iterdir(), key=lambda path: (path.suffix != ".md", path.name)):
        title = (
            path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
            if path.suffix == ".md"
            else path.name
        )
        link = f"[{title}]({folder.name}/{path.name})"
        if path.suffix == ".png":
            figures.append(f"!{link}")
        elif path.is_file() and path.suffix not in LEFT_OUT:
            files.append(f"- {link}")
    return "\n\n".join([f"# {folder.relative_to(ROOT)}", "\n".join(files), *figures])


def markdown_of_notebook(notebook: Path) -> str:
    """Its texts, its code, and what that showed when `python docs/write_notebooks.py` ran it."""
    parts = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(f"```python\n{source}\n```" if cell["cell_type"] == "code" else source)
        parts += [markdown_of_output(output) for output in cell.get("outputs", ())]
    return "\n\n".join(parts)


def markdown_of_output(output: dict[str, Any]) -> str:
    """What a cell showed: a picture, a table or text."""
    data = {
        kind: "".join(lines)
        for kind, lines in output.get("data", {"text/plain": output.get("text", "")}).items()
    }
    if "image/png" in data:
        return (
            f'<img alt="{html.escape(data["text/plain"])}" '
            f'src="data:image/png;base64,{data["image/png"].strip()}">'
        )
    if "text/html" in data:
        return f"<div>{data['text/html']}</div>"
    return f"```text\n{data['text/plain']}\n```"
