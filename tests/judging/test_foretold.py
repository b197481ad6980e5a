"""Whether a smaller scale foretells a larger one: pairs of verdicts on one claim, and the share that agrees."""

from hypothesis import given
from hypothesis import strategies as st

from harness.judging.answer import NOT_RUN
from harness.judging.foretold import foretold, largest_scales
from harness.show.tables.verdicts import scales_tables

WORDS = ("supported", "refuted", "equal", "inconclusive")


def answer(stem, scale, flops, **verdicts):
    said = [{"claim": claim, "verdict": verdict} for claim, verdict in verdicts.items()]
    name = f"{stem}-{scale}" if scale else stem
    return {"file": f"experiments/{stem}.yaml", "name": name, "flops_train": flops, "verdicts": said}


def test_claims_meet_by_their_words_and_smaller_scales_come_first():
    """Claims of one scale, files of one scale and rules without a verdict have no row."""
    long = answer("toys", "evening", 900, a="supported", b="refuted", c="inconclusive", d=NOT_RUN)
    short = answer("toys", "short", 100, a="supported", b="supported", d="refuted", e="equal")
    found = foretold([long, short, answer("other", "", 50, a="refuted")])

    assert [(one.claim, one.scales, one.verdicts) for one in found] == [
        ("a", ("short", "evening"), ("supported", "supported")),
        ("b", ("short", "evening"), ("supported", "refuted")),
    ]
    assert [(one.is_same, one.is_turned) for one in found] == [(True, False), (False, True)]
    assert scales_tables([]) == []
    assert largest_scales([long, short]) == largest_scales([short, long]) == [long]


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), min_size=1, max_size=9))
def test_the_share_is_that_of_the_rows(pairs):
    """The sentence counts what the rows say."""
    verdicts = {f"claim {index}": pair for index, pair in enumerate(pairs)}
    short = answer("toys", "short", 1, **{claim: pair[0] for claim, pair in verdicts.items()})
    full = answer("toys", "", 2, **{claim: pair[1] for claim, pair in verdicts.items()})
    (table,) = scales_tables(foretold([full, short]))
    same = sum(one == other for one, other in pairs)

    assert [row.cells[-1] for row in table.rows].count("yes") == same
    assert f"judged at two scales, {same} ({same / len(pairs):.0%}) have one verdict at both; " in table.introduction
    undecided = sum(pair == ("inconclusive", "inconclusive") for pair in pairs)
    assert f"; {undecided} of these {same} are inconclusive at both" in table.introduction


def test_scales_that_train_equally_long_foretell_nothing():
    """They are told apart: a search again, with other settings, is not a larger one."""
    short, again, evening = (
        answer("toys", scale, flops, a=verdict) | {"runs": runs}
        for scale, flops, runs, verdict in (
            ("short", 200, 20, "supported"),
            ("again", 330, 30, "refuted"),
            ("evening", 300, 6, "equal"),  # fewer runs, each five times as long
        )
    )
    longer, alike = scales_tables(foretold([evening, again, short]))

    assert [row.cells[2:4] for row in longer.rows] == [
        ("short: supported", "evening: equal"),
        ("again: refuted", "evening: equal"),
    ]
    assert [row.cells[2:4] for row in alike.rows] == [("short: supported", "again: refuted")]
    assert "Of 1 claims that were judged at two scales with equally long training, 0 (0%)" in alike.introduction
    assert "1 is supported at one and refuted at the other" in alike.introduction
