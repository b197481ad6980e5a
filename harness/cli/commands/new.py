"""`harness new`."""

from pathlib import Path
from typing import get_args

import click

from harness.base.errors import HarnessError, did_you_mean
from harness.cli.options import PATH
from harness.planning.starter import Rival, built_in_task, data_task, function_task, starter_text
from harness.study.folders import EXPERIMENTS, check_folder_name, shipped_files

MOST_VARIABLES = 1000  # of a function; with more, no file runs in minutes
TRIED_ON = "exp2d"  # where nothing says what a module is to learn


@click.command(epilog="Example: harness new houses --data houses.csv --target price")
@click.argument("name", metavar="NAME", type=PATH)
@click.option("--function", metavar="MODULE:NAME", help="Learn a Python function of your own (docs/adding.md).")
@click.option(
    "--inputs",
    type=click.IntRange(1, MOST_VARIABLES),
    help="How many variables the function has.  [default: as few as it takes]",
)
@click.option("--data", type=PATH, metavar="TABLE", help="Learn a CSV, Parquet or npz file.")
@click.option("--target", metavar="COLUMN", help="The column of the table that is learnt from the others.")
@click.option("--classes", is_flag=True, help="Its values are classes, though they are numbers.")
@click.option("--module", metavar="MODULE:CLASS", help="Compare a torch module of your own with a KAN or an MLP.")
@click.option("--against", type=click.Choice(get_args(Rival)), help="Which of them, with --module.  [default: kan]")
@click.option("--from", "source", metavar="EXPERIMENT", help="Copy an experiment that comes with the project.")
def new(
    name: Path,
    function: str | None,
    inputs: int | None,
    data: Path | None,
    target: str | None,
    classes: bool,
    module: str | None,
    against: Rival | None,
    source: str | None,
) -> None:
    """Write an experiment file that runs in minutes and can answer.

    The file has five sizes over a decade, a small search of all sides and a rule, with comments. It is NAME.yaml, and a
    file of that name is never overwritten. Say what is learnt by --function or --data, what learns it by --module; or
    copy a file with --from.
    """
    path = name if name.suffix == ".yaml" else name.with_name(f"{name.name}.yaml")
    check_folder_name(path)
    if not (function or data or module or source):
        raise HarnessError("say what to write: --function, --data with --target, --module, or --from")
    if function and data:
        raise HarnessError("--function, --data: one of them is learnt; leave the other out")
    if source and (function or data or module):
        raise HarnessError(f"--from {source}: it is copied as it is; leave the other options out")
    for option, value, needs, given in (
        ("--inputs", inputs, "--function", function),
        ("--target", target, "--data", data),
        ("--classes", classes or None, "--data", data),
        ("--against", against, "--module", module),
    ):
        if value is not None and not given:
            raise HarnessError(f"{option} goes with {needs}; give both, or leave {option} out")
    if data and not target:
        raise HarnessError(f"--data {data}: say which column is learnt, --target COLUMN")
    lines = []
    if source:
        shipped = shipped_files(EXPERIMENTS)
        if source not in shipped:
            raise HarnessError(f"--from {source}: no such experiment; {did_you_mean(source, shipped)}")
        text = shipped[source].read_text(encoding="utf-8")
    else:
        if not data:
            task = function_task(function, inputs) if function else built_in_task(TRIED_ON)
        else:
            task = data_task(data, str(target), classes, path.parent)
            lines = [f"{target} is learnt from {', '.join(task.inputs)}"]
            lines += [f"left out: {column}, {why}" for column, why in task.left_out.items()]
        text = starter_text(path.stem, task, path.parent, module, against or "kan")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise HarnessError(f"{path} is there already, and is not overwritten; choose another NAME") from None
    for line in [*lines, f"{path}: `harness validate {path}` checks it, `harness run {path}` runs it"]:
        click.echo(line)
