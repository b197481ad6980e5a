"""The answer as Markdown, for a pull request."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.base.formats import plural
from harness.judging.verdict import Verdict
from harness.judging.versus import Headline, NoHeadline
from harness.record.schema import Record
from harness.show.pages.page import provenance
from harness.show.tables.headline import answer_cards, answer_table, loss_of, verdict_sentences
from harness.show.tables.table import to_markdown
from harness.spec.manifest import Manifest


def answer_markdown(
    manifest: Manifest,
    records: Iterable[Record],
    headline: Headline | NoHeadline,
    verdicts: Sequence[Verdict],
    links: tuple[Path, Path],
) -> str:
    """Who leads on each task, the table, verdicts and cautions; `links` are to the experiment file
    and the report.
    """
    lines = [f"### {manifest.experiment.question}", ""]
    if isinstance(headline, NoHeadline):
        lines.append(headline.why)
    else:
        lines += [f"- **{task}**: {card}" for task, card in answer_cards(headline).items()]
        summary = (
            f"Whose {loss_of(headline)} is lower, how many times, with "
            f"{100 * headline.level:.3g} % intervals"
        )
        table = to_markdown(answer_table(headline))
        lines += ["", f"<details><summary>{summary}</summary>", "", table, "", "</details>", ""]
    lines += [f"- {sentence}" for sentence in verdict_sentences(verdicts)]
    lines += [f"- Careful: {caution}" for caution in getattr(headline, "cautions", ())]
    made, (file, report) = provenance(record.provenance for record in records), links
    commits = ", ".join(
        f"`{commit[:9]}`{' with changes' if dirty else ''}"
        for (commit, dirty), _ in made["commits"]
    )
    runs = plural(len(manifest.run_ids()), "run")
    plan = f"[{file.name}]({file}), experiment `{manifest.experiment_hash[:12]}`"
    return "\n".join([*lines, "", f"{plan}; {runs} by code {commits}; [report]({report})."])
