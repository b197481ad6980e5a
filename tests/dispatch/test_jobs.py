"""Packs in jobs: nothing is lost or doubled, jobs are about equally long, arrays are no larger than allowed."""

from hypothesis import given
from hypothesis import strategies as st

from harness.dispatch.jobs import arrays, bin_packs, makespan

SECONDS = st.lists(st.floats(0.01, 5000), min_size=1, max_size=60)
SLOTS = st.integers(1, 8)


def _packs(seconds):
    return {(f"run {index}",): each for index, each in enumerate(seconds)}


@given(SECONDS, st.floats(10, 4000), SLOTS)
def test_every_pack_is_in_one_job(seconds, job_seconds, slots):
    packs = _packs(seconds)
    jobs = bin_packs(packs, job_seconds, slots)
    assert sorted(pack for job in jobs for pack in zip(job.packs, job.pack_seconds, strict=True)) == sorted(
        packs.items()
    )
    assert all(job.packs for job in jobs)


@given(SECONDS, st.floats(10, 4000), SLOTS)
def test_jobs_are_about_as_long_as_asked(seconds, job_seconds, slots):
    """The work of a job is at most what was asked for and one pack more (Graham's bound); the longest job is first."""
    jobs = bin_packs(_packs(seconds), job_seconds, slots)
    for job in jobs:
        assert sum(job.pack_seconds) <= job_seconds * slots + max(seconds) + 1e-6
    assert [job.seconds for job in jobs] == sorted((job.seconds for job in jobs), reverse=True)


@given(SECONDS, SLOTS)
def test_a_job_is_as_long_as_its_slots_take(seconds, slots):
    """Packs on slots take at least the mean and the longest, and at most the mean and the longest together."""
    least = max(sum(seconds) / slots, max(seconds))
    assert least <= makespan(seconds, slots) * (1 + 1e-9)
    assert makespan(seconds, slots) <= (sum(seconds) / slots + max(seconds)) * (1 + 1e-9)


@given(st.integers(1, 5000), st.integers(1, 1001))
def test_arrays_hold_every_job_once_and_no_more_than_allowed(jobs, largest):
    chunks = list(arrays(jobs, largest))
    assert [job for chunk in chunks for job in chunk] == list(range(jobs))
    assert max(len(chunk) for chunk in chunks) <= largest
    assert len(chunks) == -(-jobs // largest)


def test_no_packs_make_no_jobs():
    assert bin_packs({}, 2400, 4) == []
