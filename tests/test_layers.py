"""The import law of docs/architecture.md: which room may import which, and that analysis never
loads torch.
"""

import ast
import importlib.util
import io
import pkgutil
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "harness"
MOST_ROOMS = 20
# Of these rooms every module is imported without torch; of the others only some are.
WITHOUT_TORCH = (
    *("base", "optimisers", "spec", "laws", "comparison", "record", "planning"),
    *("judging", "show", "paper", "study", "cli", "python"),
)


def law() -> list[list[str]]:
    """The rooms of each line; a room may import those of the lines before its own."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return [line.split() for line in re.findall(r"^\d+ +([a-z ]+)$", page, flags=re.MULTILINE)]


def imported_rooms(path: Path) -> set[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "harness":
            names += [f"harness.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    rooms = {name.split(".")[1] for name in names if name.startswith("harness.")}
    return rooms - {"__version__"}


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_every_room_has_its_line_in_the_law():
    rooms = {
        path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"
    }
    lines = law()
    assert rooms == {room for line in lines for room in line}
    assert sum(map(len, lines)) == len(rooms) <= MOST_ROOMS
    assert len(lines) <= 11
    assert {path.name for path in PACKAGE.glob("*.py")} <= {"__init__.py", "__main__.py"}


def test_every_room_has_its_line_in_the_tree():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"```\n(harness/\n.*?)```", page, flags=re.DOTALL)
    assert re.findall(r"^  (\S+)/ ", tree, flags=re.MULTILINE) == [
        room for rooms in law() for room in rooms
    ]


def test_a_room_imports_only_from_the_lines_above_its_own():
    allowed: set[str] = set()
    for rooms in law():
        for room in rooms:
            for path in sorted((PACKAGE / room).rglob("*.py")):
                forbidden = imported_rooms(path) - allowed - {room}
                assert not forbidden, f"{path.relative_to(ROOT)} imports from {sorted(forbidden)}"
        allowed.update(rooms)


def test_what_a_room_imports_by_name_is_there_and_above_it_too():
    """But for those that `spec` looks up when a file is read: docs/architecture.md names them."""
    allowed: set[str] = set()
    found = set()
    for rooms in law():
        for path in (path for room in rooms for path in sorted((PACKAGE / room).rglob("*.py"))):
            texts = {
                node.value
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if is_text(node)
            }
            modules = {text for text in texts if re.fullmatch(r"harness(\.\w+)+", text)}
            assert [name for name in modules if importlib.util.find_spec(name) is None] == [], path
            room = path.relative_to(PACKAGE).parts[0]
            found |= {
                (room, name) for name in modules if name.split(".")[1] not in allowed | {room}
            }
        allowed.update(rooms)
    assert found == {
        ("spec", f"harness.{name}") for name in ("count.conventions", "judging.quantities", "tasks")
    }


def test_every_room_says_what_lives_in_it():
    for path in sorted(PACKAGE.glob("*/__init__.py")):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_what_the_code_names_in_backquotes_is_there():
    rooms = "|".join(room for line in law() for room in line)
    for path in PACKAGE.rglob("*.py"):
        for name in re.findall(
            rf"`(?:harness\.)?((?:{rooms})(?:\.\w+)+)", path.read_text(encoding="utf-8")
        ):
            try:
                pkgutil.resolve_name(f"harness.{name.removesuffix('.py')}")
            except (ImportError, AttributeError) as error:
                raise AssertionError(f"{path} names `{name}`, which is not there") from error


def test_analysis_never_loads_torch():
    paths = [path for room in WITHOUT_TORCH for path in sorted((PACKAGE / room).rglob("*.py"))]
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in paths
    ]
    modules = [name for name in modules if not name.endswith("__main__")]
    code = f"""
import importlib, sys
for module in {modules}:
    importlib.import_module(module)
    if "torch" in sys.modules:
        sys.exit(module)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_no_room_has_the_name_of_a_function_of_the_package():
    """A module that is imported hides what else has its name in the package; `fit` is to be a
    function, too.
    """
    code = """
import importlib, pkgutil, sys
import harness
names = [module.name for module in pkgutil.walk_packages(harness.__path__, "harness.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
functions = {"fit", *harness.__all__} - {"nn"}
sys.exit(", ".join(functions & {name.removeprefix("harness.") for name in sys.modules}) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


MOST_TOKENS = {"harness": 397_490, "tests": 332_260}
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}
FSTRING_START = getattr(tokenize, "FSTRING_START", None)  # from Python 3.12 on
FSTRING_END = getattr(tokenize, "FSTRING_END", None)


def begins_of_docstrings(tree: ast.Module) -> set[tuple[int, int]]:
    """The line and column at which each docstring begins."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    begins = set()
    for node in ast.walk(tree):
        if isinstance(node, holders) and ast.get_docstring(node) is not None:
            begins.add((node.body[0].lineno, node.body[0].col_offset))
    return begins


def tokens_of(code: str) -> int:
    """How many tokens a reader of this code reads: line ends, comments and docstrings are none.

    An f-string is one token, as it was to Python 3.11: later ones read its parts.
    """
    begins = begins_of_docstrings(ast.parse(code))
    tokens = 0
    depth = 0  # of f-strings within f-strings
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        is_docstring = token.type == tokenize.STRING and token.start in begins
        if depth == 0 and token.type not in NO_CODE and not is_docstring:
            tokens += 1
        if token.type == FSTRING_START:
            depth += 1
        elif token.type == FSTRING_END:
            depth -= 1
    return tokens


def test_of_an_f_string_and_a_docstring_one_token_and_none_are_counted():
    code = '''def told(name):
    """A docstring."""
    # A comment.
    return f"{name!r:>{len(name)}} {f'{name}'}" "b"
'''
    names_and_marks = ["def", "told", "(", "name", ")", ":", "return", "f-string", "b"]
    assert tokens_of(code) == len(names_and_marks)
    assert tokens_of("a = (1 + 2)") == tokens_of("a = (\n    1\n    + 2\n)")


@pytest.mark.parametrize("folder", MOST_TOKENS)
def test_tokens_of_code_stay_within_what_was_reached(folder):
    """A commit that needs more raises this number and says why; one that needs less lowers it.

    Lines were counted before, so that lines became dense. Of tokens, a wrapped call, a blank line
    and a comment are free.
    """
    paths = sorted((ROOT / folder).rglob("*.py"))
    tokens = sum(tokens_of(path.read_text(encoding="utf-8")) for path in paths)
    assert tokens <= MOST_TOKENS[folder]
