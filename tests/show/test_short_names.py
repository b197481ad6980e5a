"""Short names of tasks: all different, no longer than asked, and no word of them cut without `…`."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.show.names import shortened

WORD = r"[^\W_]+"
targets = st.sampled_from(["exp2d", "j0", "tanh_teacher", "my_tasks:ripple", "yours:ripple", "houses_of_1990.csv"])
FIELDS = [" train_points=1000", " train_points=200", " train_noise=1", " inputs=('a', 'b')", " low=-1.0"]
fields = st.lists(st.sampled_from(FIELDS), max_size=3, unique=True)
tasks = st.builds(lambda target, told: target + "".join(told), targets, fields)
anything = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=40)


@given(st.lists(tasks | anything, min_size=1, max_size=12, unique=True), st.integers(8, 40))
@example(["a…1", "a" * 30, "a" * 31], 8)
def test_different_names_stay_different_and_no_word_is_cut_unseen(names, letters):
    short = shortened(names, letters)
    assert list(short) == names
    assert len(set(short.values())) == len(names)
    for name, shown in short.items():
        assert len(shown) <= letters
        words = set(re.findall(WORD, name))
        for word in re.finditer(WORD, shown):
            is_beside = "…" in shown[max(word.start() - 1, 0) : word.end() + 1]
            assert is_beside or word[0] in words, (name, shown)
    if max(map(len, names)) <= letters:
        assert all(name == shown for name, shown in short.items())


@pytest.mark.parametrize(
    ("names", "letters", "shown"),
    [
        (["exp2d train_points=1000", "exp2d train_points=200"], 24, None),
        (["exp2d train_points=1000", "exp2d train_points=200"], 15, ["train=1000", "train=200"]),
        (["exp2d train_points=200", "exp2d train_points=50", "j0"], 15, ["exp2d train=200", "exp2d train=50", "j0"]),
        (["my_tasks:ripple"], 6, ["ripple"]),
        (["tide.csv"], 6, ["tide"]),
        (["mine:ripple", "yours:ripple"], 11, ["mine:ripple", "yours…ipple"]),
        (["additive inputs=4", "additive inputs=100", "xy"], 15, ["additiv…nputs=4", "additiv…uts=100", "xy"]),
    ],
)
def test_what_tells_a_name_from_others_is_kept(names, letters, shown):
    assert list(shortened(names, letters).values()) == (shown or names)
