"""A first experiment file of one's own: `harness new`, from the command line and from Python."""

from pathlib import Path
from typing import NamedTuple

from harness.base.errors import HarnessError
from harness.planning.starter import Rival, built_in_task, data_task, function_task, starter_text
from harness.study.folders import EXPERIMENTS, check_folder_name, full_name, shipped_files

TRIED_ON = "exp2d"  # where nothing says what a module is to learn


class Starter(NamedTuple):
    """What a first file is of: a function or a column of a table that is learnt, a module, or a file that is copied."""

    function: str | None = None
    inputs: int | None = None
    data: Path | None = None
    target: str | None = None
    classes: bool = False
    module: str | None = None
    against: Rival | None = None
    source: str | None = None

    def check(self) -> None:
        """A HarnessError if these do not go together."""
        function, data, module, source = self.function, self.data, self.module, self.source
        if not (function or data or module or source):
            raise HarnessError("say what to write: `function`, `data` with `target`, `module`, or `source`")
        if function and data:
            raise HarnessError("`function`, `data`: one of them is learnt; leave the other out")
        if source and (function or data or module):
            raise HarnessError(f"`source` {source}: it is copied as it is; leave the others out")
        for field, value, needs, partner in (
            ("`inputs`", self.inputs, "`function`", function),
            ("`target`", self.target, "`data`", data),
            ("`classes`", self.classes or None, "`data`", data),
            ("`against`", self.against, "`module`", module),
        ):
            if value is not None and not partner:
                raise HarnessError(f"{field} goes with {needs}; give both, or leave {field} out")
        if data and not self.target:
            raise HarnessError(f"`data` {data}: say which column is learnt, `target` COLUMN")


def write_starter(name: Path, starter: Starter) -> tuple[Path, list[str]]:
    """Write NAME.yaml, and say what was chosen; a HarnessError if there is such a file that says something else."""
    path = name if name.suffix == ".yaml" else name.with_name(f"{name.name}.yaml")
    check_folder_name(path)
    starter.check()
    text, chosen = _text_of(path, starter)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.read_text(encoding="utf-8") != text:
            raise HarnessError(f"{path} is there already, and is not overwritten; choose another NAME") from None
    return path, chosen


def _text_of(path: Path, starter: Starter) -> tuple[str, list[str]]:
    """The file, and what was chosen for it, a sentence each."""
    if starter.source:
        shipped = shipped_files(EXPERIMENTS)
        name = full_name(starter.source, shipped, "`source` {}: no such experiment")
        return shipped[name].read_text(encoding="utf-8"), []
    chosen = []
    if starter.data:
        task = data_task(starter.data, str(starter.target), starter.classes, path.parent)
        chosen = [f"{starter.target} is learnt from {', '.join(task.inputs)}"]
        chosen += [f"left out: {column}, {why}" for column, why in task.left_out.items()]
    else:
        task = function_task(starter.function, starter.inputs) if starter.function else built_in_task(TRIED_ON)
    return starter_text(path.stem, task, path.parent, starter.module, starter.against or "kan"), chosen
