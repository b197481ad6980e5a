"""How to ask a cluster for jobs: one YAML file a cluster or partition, under `slurm/`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from harness.dispatch.mirror import Mirror
from harness.spec import read_settings
from harness.spec.frozen import Frozen

# Options that the harness sets itself, because what it promises hangs on them.
OURS = (
    "array",
    "signal",
    "requeue",
    "no-requeue",
    "job-name",
    "output",
    "error",
    "open-mode",
    "time",
    "export",
)
NonNegativeInt = Annotated[int, Field(ge=0)]


class Profile(Frozen):
    """What a job of a sweep asks for.

    A job trains `slots` packs at a time: one a GPU, or without GPUs one a CPU. `job_minutes` is the length that packs
    are binned to; `time_minutes` the limit that SLURM ends it at, at which it saves its state and goes on by itself.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = Field(None, description="nodes to stay away from, as sbatch takes them")
    gpus: NonNegativeInt = Field(0, description="a job")
    cpus: PositiveInt = Field(1, description="a job; without GPUs it trains so many packs at a time")
    memory_gb: PositiveFloat = Field(4.0, description="a job")
    job_minutes: PositiveFloat = Field(40.0, description="what a job is predicted to take")
    time_minutes: PositiveInt = Field(120, description="the limit that SLURM is given")
    save_seconds: PositiveInt = Field(120, description="before the limit, a job is told to save its state")
    checkpoint_seconds: PositiveFloat = Field(60.0, description="between two times that a pack's state is saved anyway")
    jobs_at_once: PositiveInt = Field(256, description="of an array")
    setup: tuple[str, ...] = Field((), description="shell lines before Python starts: modules, environments")
    python: str | None = Field(None, description="on the nodes; left out, the one that submits")
    wckey: str = ""
    share: Literal["user", "group"] = Field("user", description="whose jobs may go on from what these leave")
    wandb: Mirror | None = Field(None, description="where finished runs are mirrored to")
    sbatch: dict[str, str | int | bool] = Field({}, description="any other option of sbatch, by its long name")

    @property
    def slots(self) -> int:
        """Packs that a job trains at a time."""
        return self.gpus or self.cpus

    @property
    def device_unit(self) -> str:
        """What an hour of a job is counted in."""
        return "GPU" if self.gpus else "core"

    @field_validator("sbatch")
    @classmethod
    def _leaves_ours(cls, options: dict[str, str | int | bool]) -> dict[str, str | int | bool]:
        for name in options:
            if name.lstrip("-").replace("_", "-") in OURS:
                raise ValueError(f"{name} is set by the harness itself; leave it out (it sets {', '.join(OURS)})")
        return options

    @model_validator(mode="after")
    def _time_suffices(self) -> "Profile":
        if self.time_minutes * 60 < self.save_seconds + 60:
            raise ValueError(
                f"time_minutes: {self.time_minutes} leaves no minute to train before save_seconds: "
                f"{self.save_seconds}; raise the one or lower the other"
            )
        if self.job_minutes > self.time_minutes:
            raise ValueError(f"job_minutes: {self.job_minutes:g} is more than time_minutes: {self.time_minutes}")
        return self


def read_profile(path: Path) -> Profile:
    """The profile at `path`; a HarnessError with one line per mistake otherwise."""
    return read_settings(path, Profile, "a cluster profile, as in slurm/")
