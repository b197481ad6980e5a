"""SLURM's own spellings, and what a job's environment must not do to the jobs that it submits."""

import pytest

from harness.dispatch.cluster import Listed, Queue, scrubbed, tasks_of


@pytest.mark.parametrize(
    ("number", "tasks"),
    [("7", [None]), ("7_3", [3]), ("7_[3-5]", [3, 4, 5]), ("7_[0,2-3,9%4]", [0, 2, 3, 9]), ("7_[4%1]", [4])],
)
def test_tasks_are_read_off_a_number(number, tasks):
    assert tasks_of(number) == tasks


def test_what_is_left_of_an_array_stands_for_the_tasks_without_a_line_of_their_own():
    rest, own = Listed("7", "name", "CANCELLED"), Listed("7_2", "name", "RUNNING")
    queue = Queue({("name", None): rest, ("name", 2): own})
    assert queue.of("name", 2) == own
    assert queue.of("name", 3) == rest
    assert queue.of("other", 3) is None


def test_variables_of_a_job_are_left_out_and_those_of_the_cluster_kept():
    environment = {
        "SLURM_JOB_ID": "7",
        "SLURM_CPUS_PER_TASK": "1",
        "SBATCH_MEM_PER_CPU": "1",
        "SLURM_MEM_PER_NODE": "9",
        "SQUEUE_PARTITION": "another",
    }
    kept = {"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin", "SLURMY": "no"}
    assert scrubbed(environment | kept) == kept
