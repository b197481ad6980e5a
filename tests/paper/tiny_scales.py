"""The experiments of replays with a scale `tiny` more, which a test runs in seconds."""

import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny"


def bring(name: str, folder: Path) -> None:
    """Put an experiment file into `folder`/experiments, with a scale `tiny` more, which a test runs
    in seconds.
    """
    (folder / "experiments").mkdir(exist_ok=True)
    text = (ROOT / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")
    changes = textwrap.indent((TINY / f"{name}.yaml").read_text(encoding="utf-8"), "    ")
    scales = text.replace("\nscales:\n", f"\nscales:\n  tiny:\n{changes}")
    (folder / "experiments" / f"{name}.yaml").write_text(scales, encoding="utf-8")
