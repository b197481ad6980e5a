"""`harness run`."""

from pathlib import Path
from typing import Any

import click

from harness.cli.analysis import analyse_and_report, print_fits, print_headline, print_verdicts, write_pack_costs
from harness.cli.costs import cost_sentence
from harness.cli.looks import check_looks, look_lines, run_words, wanted_now
from harness.cli.mirroring import mirror_of, wandb_options
from harness.cli.options import (
    EXAMPLE,
    file_argument,
    replan_option,
    results_option,
    scale_option,
    until_decided_option,
    workers_option,
)
from harness.cli.plans import planned_records, records_of, search_words
from harness.cli.settings import settings_option
from harness.cli.stages import data_lines, freeze_stage
from harness.cli.sweeps import check_none_underway
from harness.cli.training import train_missing
from harness.dispatch.here import Worker, idle_workers
from harness.dispatch.mirror import Mirror
from harness.record import missing
from harness.show.console import console
from harness.spec import Manifest, Setting


@click.command(epilog=f"Example: harness run {EXAMPLE} --workers 2")
@file_argument
@results_option
@scale_option
@settings_option
@replan_option
@workers_option
@until_decided_option
@click.option("--explain", is_flag=True, help="Also print scaling laws, checks and verdicts, above the answer.")
@wandb_options
def run(
    file: Path,
    results: Path,
    scale: str,
    settings: tuple[Setting, ...],
    replan: bool,
    workers: int | None,
    until_decided: bool,
    explain: bool,
    **wandb: Any,
) -> None:
    """Train what is missing, and say which side is better.

    This plans, trains, fits, draws and reports. The last lines are the answer: which side has the
    lower test error at equal parameters, FLOPs and seconds, and how many times lower it is.

    With --until-decided it trains the first look of the file's `looks:`, judges the rules, and goes on with the seeds
    that undecided rules ask for. Without it, it trains all seeds.

    You can press Ctrl-C at any moment. Finished runs keep their records, and the same command goes on from there.
    """
    if until_decided:
        check_looks(file, scale, settings)
    with idle_workers() as idle:
        while True:
            manifest, folder = freeze_stage(file, results, scale, replan, settings=settings)
            if missing(manifest, records_of(folder)):
                check_none_underway(manifest, folder)
                for line in data_lines(manifest):
                    console.print(line, markup=False, soft_wrap=True)
                most = ", if all seeds are asked for" if until_decided and manifest.looks else ""
                console.print(f"{cost_sentence(manifest, results, workers)}{most}", soft_wrap=True)
                if manifest.is_search:
                    console.print(f"stage 1 of 2, search: {search_words(manifest, folder)}", soft_wrap=True)
                elif manifest.confirms:
                    console.print("stage 2 of 2, confirmation: the winners are chosen, and trained on fresh seeds")
            if until_decided and manifest.looks:
                _train_looks(manifest, folder, workers, mirror_of(wandb), idle)
            else:
                train_missing(manifest, folder, workers, mirror_of(wandb), idle)
            if not manifest.is_search:
                break
    records = planned_records(manifest, folder)
    analysis, found, verdicts = analyse_and_report(manifest, records, folder)
    write_pack_costs(manifest, records, folder)
    if explain:
        print_fits(manifest, analysis)
        print_verdicts(verdicts)
    runs = f"{run_words(manifest, len(records))}. " + (
        "" if explain else "Laws, codes and checks: the report, or --explain."
    )
    print_headline(found, verdicts, [runs.strip(), f"Report: {folder / 'report.html'}"])


def _train_looks(
    manifest: Manifest, folder: Path, workers: int | None, mirror: Mirror | None, idle: dict[int, Worker]
) -> None:
    """Train the first look, then what open rules ask for, until nothing is asked for."""
    while True:
        wanted = wanted_now(manifest, folder)
        for line in look_lines(manifest, wanted):
            console.print(line, markup=False, soft_wrap=True)
        if not wanted.absent:
            return
        train_missing(manifest, folder, workers, mirror, idle, frozenset(wanted.run_ids))
