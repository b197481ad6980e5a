"""`harness schema`."""

import json

import click

from harness.spec.read import experiment_schema


@click.command(epilog="Example: harness schema > experiment.schema.json")
def schema() -> None:
    """Print the JSON Schema of experiment files, for your editor."""
    click.echo(json.dumps(experiment_schema(), indent=1))
