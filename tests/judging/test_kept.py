"""What is kept of laws: the same bits as made anew, found by points, law and code, and rebuilt
where it is damaged.
"""

from pathlib import Path

import numpy as np
import pytest

from harness import base, comparison, laws
from harness.judging import kept as module
from harness.judging.kept import KEPT_FILE, keeping, kept, prepare
from harness.laws import extrapolate

SIZES = np.repeat([30.0, 60, 120, 250, 500, 1000, 2000, 4000], 3)
NOISE = np.exp(np.random.default_rng(1).normal(0, 0.05, SIZES.size))
LOSSES = (0.01 + 20 / SIZES) * NOISE
OTHER = (0.02 + 30 / SIZES) * NOISE[::-1]


def calls(all_of_them: bool) -> list[tuple]:
    """Of every function whose values are kept a call, and of laws each kind, a refused one too; or
    what takes least.
    """
    floor = laws.fit_law(SIZES, LOSSES, "floor", 0.95)
    of_laws = [
        (laws.fit_law, SIZES, LOSSES, law, 0.9) for law in ("pure", "floor", "shifted", "broken")
    ]
    slow = [
        *of_laws[2:],
        (laws.select_law, SIZES, LOSSES, 0.95),
        (laws.cross_check, SIZES, LOSSES, floor),
    ]
    return [
        *of_laws[:2],
        *(slow if all_of_them else []),
        (laws.fit_law, SIZES[:3], LOSSES[:3], "pure", 0.95),
        (laws.diagnose, floor),
        (laws.band, floor, np.geomspace(30, 4000, 9)),
        (extrapolate, floor, 2 * SIZES[-3:], LOSSES[-3:]),
        (
            comparison.multiplier,
            {"a": SIZES, "b": SIZES},
            {"a": LOSSES, "b": OTHER},
        ),
    ]


def bits(value: object) -> str:
    return module._key(bits, (value,))


def computed(folder: Path, *asked: tuple) -> list[str]:
    """The bits of what these calls return, with what the folder has kept of them."""
    with keeping(folder):
        return [bits(kept(*call)) for call in asked]


def absent(folder: Path, *asked: tuple) -> int:
    """How many of these calls are not kept in the folder."""
    told = []
    with keeping(folder, lambda what, done, of: told.append(of)):
        for function, *arguments in asked:
            prepare(function, [tuple(arguments)], "laws")
    return len(told)


@pytest.mark.parametrize("all_of_them", [False, pytest.param(True, marks=pytest.mark.nightly)])
def test_what_is_kept_has_the_bits_of_what_is_made_anew(tmp_path, all_of_them):
    asked = calls(all_of_them)
    anew = [bits(function(*arguments)) for function, *arguments in asked]
    assert computed(tmp_path, *asked) == anew
    assert computed(tmp_path, *asked) == anew
    assert absent(tmp_path, *asked) == 0


def test_processes_compute_the_same_bits(tmp_path):
    asked = [
        (SIZES, LOSSES * scale, law, 0.95)
        for scale in np.linspace(1, 2, 6)
        for law in ("pure", "floor")
    ]
    with keeping(tmp_path, cores=2):
        prepare(laws.fit_law, asked, "laws")
        found = [bits(kept(laws.fit_law, *call)) for call in asked]
    assert found == [bits(laws.fit_law(*call)) for call in asked]


def test_where_a_process_dies_this_one_computes(tmp_path):
    asked = [(SIZES, LOSSES * scale, "pure", 0.95) for scale in np.linspace(1, 2, 8)]
    with keeping(tmp_path, cores=2):
        prepare(laws.fit_law, asked, "laws")
        (process,) = module._current.get().pool._processes.values()
        process.kill()
        prepare(laws.fit_law, [(SIZES, losses, law, 0.9) for _, losses, law, _ in asked], "laws")
        found = [bits(kept(laws.fit_law, SIZES, losses, law, 0.9)) for _, losses, law, _ in asked]
    assert found == [bits(laws.fit_law(SIZES, losses, law, 0.9)) for _, losses, law, _ in asked]


def test_another_point_law_level_or_function_is_not_found(tmp_path):
    """The last bit of one loss makes other points; so does the order of runs, which reaches last
    bits of sums.
    """
    computed(tmp_path, (laws.fit_law, SIZES, LOSSES, "pure", 0.95))
    moved = LOSSES.copy()
    moved[4] = np.nextafter(moved[4], 1)
    for other in (
        (laws.fit_law, SIZES, moved, "pure", 0.95),
        (laws.fit_law, SIZES, LOSSES, "floor", 0.95),
        (laws.fit_law, SIZES, LOSSES, "pure", 0.9),
        (laws.fit_law, SIZES[::-1], LOSSES[::-1], "pure", 0.95),
        (laws.select_law, SIZES, LOSSES, 0.95),
    ):
        assert absent(tmp_path, other) == 1
    assert absent(tmp_path, (laws.fit_law, SIZES, LOSSES, "pure", 0.95)) == 0


def test_other_code_finds_nothing(tmp_path, monkeypatch):
    call = (laws.fit_law, SIZES, LOSSES, "pure", 0.95)
    computed(tmp_path, call)
    monkeypatch.setattr(module, "code_key", lambda: "other")
    assert absent(tmp_path, call) == 1
    assert absent(tmp_path, call) == 0


@pytest.mark.parametrize("room", [base, comparison, laws])
def test_other_code_of_a_room_that_a_value_hangs_on_is_other_code(tmp_path, monkeypatch, room):
    """Refusals that are kept have their words from `base`."""
    for file in Path(room.__file__).parent.glob("*.py"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(room, "__file__", str(tmp_path / "__init__.py"))
    same = module.code_key.__wrapped__()
    (tmp_path / "formats.py").write_text("another")
    assert (same == module.code_key(), module.code_key.__wrapped__() == same) == (True, False)


def test_a_damaged_file_is_rebuilt_and_loses_nothing(tmp_path):
    asked = [(laws.fit_law, SIZES, LOSSES, law, 0.9) for law in ("pure", "floor")]
    whole = computed(tmp_path, *asked)
    file = tmp_path / KEPT_FILE
    data = bytearray(file.read_bytes())
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    for damaged in (flipped, data[:-9], b"", b"\n\n\n"):
        file.write_bytes(damaged)
        assert absent(tmp_path, *asked) == len(asked)
        assert computed(tmp_path, *asked) == whole
        assert absent(tmp_path, *asked) == 0


def test_a_file_from_elsewhere_makes_no_other_values(tmp_path):
    """However well it is sealed: nothing of another room is called, and the right value takes the
    place of that.
    """
    made = tmp_path / "made"
    call = (laws.fit_law, SIZES, LOSSES, "pure", 0.95)
    names = (
        ("pathlib", "Path"),
        ("os", "mkdir"),
        ("harness.base.files", "whole_file"),
        ("harness.laws.fitting", "np"),
    )
    names = (
        *names,
        ("harness.laws.no_room", "Law"),
        ("harness.laws.fitting", "fit_law.__globals__"),
    )
    values = [f"c{where}\n{name}\n(V{made}\ntR." for where, name in names]
    for value in (*values, "charness.judging.kept\n_law_of\n((Vno law\ntNtR.", "{", ""):
        module._write({module._key(call[0], call[1:]): value.encode()}, tmp_path / KEPT_FILE)
        assert computed(tmp_path, call) == [bits(laws.fit_law(SIZES, LOSSES, "pure", 0.95))], value
        assert absent(tmp_path, call) == 0
    assert not made.exists()
