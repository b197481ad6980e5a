"""How large the code is and how it reads, by counts: python -m benchmarks.code [CHECKOUT]

Give another checkout of the project to count that one, such as a worktree of an earlier commit.
"""

import ast
import itertools
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# Where code asks which family a network is of.
DISPATCH = re.compile(r"case \w+Shape\(|isinstance\([^)]*Shape")


def types_of(tree: ast.Module) -> Iterator[str]:
    """Names of a module's classes and of its aliases of types."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        for target in [*getattr(node, "targets", []), getattr(node, "target", None)]:
            if isinstance(target, ast.Name) and target.id[0].isupper() and not target.id.isupper():
                yield target.id


def lines_of(folder: Path) -> int:
    """Lines of all Python files."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.rglob("*.py"))


def main(checkout: Path) -> None:
    """Print the counts of `harness/`, and the lines of `tests/`."""
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in sorted((checkout / "harness").rglob("*.py"))
    }
    trees = {path: ast.parse(text) for path, text in texts.items()}
    nodes = list(itertools.chain(*map(ast.walk, trees.values())))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    lengths = sorted((node.end_lineno or node.lineno) - node.lineno + 1 for node in functions)
    inside = itertools.chain(*map(ast.walk, functions))
    files_of: dict[str, set[Path]] = defaultdict(set)
    for path, tree in trees.items():
        for name in types_of(tree):
            files_of[name].add(path)
    meanings = [len(files) for files in files_of.values()]
    top = [
        path
        for path in (checkout / "harness").iterdir()
        if path.name not in ("__pycache__", "__init__.py")
    ]
    counts = {
        "lines of harness/": lines_of(checkout / "harness"),
        "lines of tests/": lines_of(checkout / "tests"),
        "files of harness/": len(texts),
        "rooms: folders of harness/": sum(path.is_dir() for path in top),
        "loose modules at its top": sum(
            path.suffix == ".py" and path.name != "__main__.py" for path in top
        ),
        "functions": len(functions),
        "lines of a function: median": lengths[len(lengths) // 2],
        "lines of a function: 95 % have fewer than": lengths[int(0.95 * len(lengths))],
        "lines of the longest function": lengths[-1],
        "comprehensions with two `for`s": sum(
            len(node.generators) > 1 for node in nodes if isinstance(node, COMPREHENSIONS)
        ),
        "imports inside functions": sum(
            isinstance(node, ast.Import | ast.ImportFrom) for node in inside
        ),
        "names of types in two or more files": sum(number > 1 for number in meanings),
        "names of types in three or more": sum(number > 2 for number in meanings),
        "places that ask for a network's family": sum(
            len(DISPATCH.findall(text)) for text in texts.values()
        ),
    }
    for what, number in counts.items():
        print(f"{number:7,}  {what}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
