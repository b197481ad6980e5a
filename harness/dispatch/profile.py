"""How to ask a cluster for jobs: one YAML file a cluster or partition, under `slurm/`."""

import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveInt,
    field_validator,
    model_validator,
)

from harness.base.frozen import Frozen, Positive
from harness.dispatch.mirror import WandbMode
from harness.spec.read import read_settings

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
    "export",
    "nodes",
)
# Options of sbatch that have a field of their own, and that field.
FIELD_OF = {
    **{name: name for name in ("partition", "account", "qos", "constraint", "exclude", "wckey")},
    "time": "time_minutes",
    "cpus-per-task": "cpus",
    "mem": "memory_gb",
    "mem-per-cpu": "memory_per_cpu_gb",
    **dict.fromkeys(("gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task"), "gpus"),
}
JOINING = ";<>|&"  # what ends or joins commands of a shell
OURS_OF_SRUN = re.compile(
    r"--(output|error|ntasks)|-[oen]"
)  # without which logs are lost, or packs trained twice


def _one_line(text: str) -> str:
    if "\0" in text or text.splitlines() not in ([], [text]):
        raise ValueError(
            f"{text!r} has a line break, which would end up in the job's script; write it in "
            "one line"
        )
    return text


def _value(value: object) -> object:
    """Of an option; checked before the kinds that it may have, each of which would complain."""
    if value is False:
        raise ValueError("false says nothing to sbatch; leave the option out")
    if not isinstance(value, str | int):
        raise ValueError(
            f"{value!r} is no value of an option; give text, a whole number, or true where it "
            "has none"
        )
    return _one_line(value) if isinstance(value, str) else value


def _gpus(value: object) -> object:
    """A number stays one, however it is written; `a100:1` is a type and a number."""
    if isinstance(value, bool) or not re.fullmatch(
        r"\d+|[A-Za-z0-9][\w.-]*:[1-9]\d*", str(value), flags=re.ASCII
    ):
        raise ValueError(
            f"{value!r} is neither a number of GPUs nor TYPE:NUMBER; give `1`, or `a100:1`"
        )
    return value if ":" in str(value) else int(str(value))


def _command(text: str) -> str:
    """One command of a shell: words, quoted where they must be, and nothing that begins another
    command.
    """
    words = shlex.shlex(text, posix=True, punctuation_chars=JOINING)
    words.whitespace_split, words.commenters = True, ""
    try:
        joined = [word for word in words if set(word) <= set(JOINING)]
    except ValueError as error:
        raise ValueError(f"{text!r}: {str(error).lower()}; close the quote") from None
    if joined or not text.strip():
        raise ValueError(
            f"{text!r} is not one command; what must happen before it is a line of setup:"
        )
    return text


SingleLine = Annotated[str, AfterValidator(_one_line)]


class Profile(Frozen):
    """What a job of a sweep asks for.

    A job trains `slots` packs at a time: `packs_per_gpu` a GPU, or without GPUs one a CPU.
    `job_minutes` is the length that packs are binned to; `time_minutes` the limit that SLURM ends
    it at, at which it saves its state and goes on by itself.
    """

    partition: SingleLine | None = None
    account: SingleLine | None = None
    qos: SingleLine | None = None
    constraint: SingleLine | None = None
    exclude: SingleLine | None = Field(
        None, description="nodes to stay away from, as sbatch takes them"
    )
    gpus: Annotated[int | str, BeforeValidator(_gpus)] = Field(
        0, description="a job: a number, or type:number"
    )
    gpus_option: Literal["gpus-per-node", "gres", "gpus"] = Field(
        "gpus-per-node", description="the option of sbatch that asks for them"
    )
    packs_per_gpu: PositiveInt = Field(
        1, description="trained at a time, each by a process of its own"
    )
    cpus: PositiveInt = Field(
        1, description="a job; without GPUs it trains so many packs at a time"
    )
    memory_per_cpu_gb: Positive | None = Field(None, description="in place of memory_gb")
    memory_gb: Positive | None = Field(
        default_factory=lambda fields: None if fields["memory_per_cpu_gb"] else 4.0,
        description="a job; null leaves it to the cluster",
    )
    job_minutes: Positive = Field(40.0, description="what a job is predicted to take")
    time_minutes: PositiveInt = Field(120, description="the limit that SLURM is given")
    save_seconds: PositiveInt = Field(
        120, description="before the limit, a job is told to save its state"
    )
    checkpoint_seconds: Positive = Field(
        60.0, description="between two times that a pack's state is saved anyway"
    )
    jobs_at_once: PositiveInt = Field(256, description="of an array")
    setup: tuple[SingleLine, ...] = Field(
        (), description="shell lines before Python starts: modules, environments"
    )
    srun: tuple[SingleLine, ...] = Field(
        (), description="more arguments of srun, such as those of container plugins"
    )
    python: Annotated[SingleLine, AfterValidator(_command)] | None = Field(
        None,
        description="the command that starts Python on the nodes; left out, the one that submits",
    )
    wckey: SingleLine = ""
    share: Literal["user", "group"] = Field(
        "user", description="whose jobs may go on from what these leave"
    )
    wandb: WandbMode | None = Field(None, description="finished runs are copied to wandb")
    sbatch: dict[str, Annotated[str | int | bool, BeforeValidator(_value)]] = Field(
        {}, description="any other option of sbatch, by its long name"
    )

    @property
    def gpu_count(self) -> int:
        """GPUs of a job."""
        return int(str(self.gpus).rpartition(":")[2])

    @property
    def devices(self) -> int:
        """GPUs of a job, or its CPUs where it has none: what its hours are counted in."""
        return self.gpu_count or self.cpus

    @property
    def slots(self) -> int:
        """Packs that a job trains at a time."""
        return self.gpu_count * self.packs_per_gpu or self.cpus

    @property
    def device_unit(self) -> str:
        """What an hour of a job is counted in."""
        return "GPU" if self.gpus else "core"

    @field_validator("srun")
    @classmethod
    def _srun_leaves_ours(cls, arguments: tuple[str, ...]) -> tuple[str, ...]:
        for argument in arguments:
            if not argument.startswith("-"):
                raise ValueError(
                    f"{argument!r} does not begin with -; write an option and its value as "
                    "--option=value"
                )
            if OURS_OF_SRUN.match(argument):
                raise ValueError(
                    f"{argument} is set by the harness itself; leave it out (it sets output, "
                    "error, ntasks)"
                )
        return arguments

    @field_validator("sbatch")
    @classmethod
    def _sbatch_leaves_ours(
        cls, options: dict[str, str | int | bool]
    ) -> dict[str, str | int | bool]:
        for name in options:
            _check_option(name)
        return options

    @model_validator(mode="after")
    def _fields_agree(self) -> "Profile":
        if "mem-per-gpu" in self.sbatch and (self.memory_gb or self.memory_per_cpu_gb):
            raise ValueError(
                "sbatch: mem-per-gpu needs `memory_gb: null` beside it, as SLURM takes one kind "
                "of memory"
            )
        gres = str(self.sbatch.get("gres", ""))
        if re.search(r"\bgpu\b", gres):
            raise ValueError(
                f"sbatch: gres: {gres} asks for GPUs; use `gpus:` with `gpus_option: gres`"
            )
        if gres and self.gpus and self.gpus_option == "gres":
            problem = (
                f"sbatch: gres: {gres} would take the place of gpus: {self.gpus}, as sbatch "
                "reads one gres"
            )
            raise ValueError(
                f"{problem}; ask for the GPUs by another gpus_option: gpus-per-node or gpus"
            )
        if self.packs_per_gpu > 1 and not self.gpus:
            raise ValueError(
                f"packs_per_gpu: {self.packs_per_gpu} needs GPUs to share; give gpus:, or "
                "leave it out"
            )
        if self.packs_per_gpu > 1 and self.cpus < self.slots:
            packs = (
                f"packs_per_gpu: {self.packs_per_gpu} on {self.gpu_count} GPUs: each pack "
                "has a process of its own"
            )
            raise ValueError(
                f"cpus: {self.cpus} is too few for {packs}; give cpus: {self.slots} or more"
            )
        if self.time_minutes * 60 < self.save_seconds + 60:
            before = f"leaves no minute to train before save_seconds: {self.save_seconds}"
            raise ValueError(
                f"time_minutes: {self.time_minutes} {before}; raise the one or lower the other"
            )
        if self.job_minutes > self.time_minutes:
            more = f"is more than time_minutes: {self.time_minutes}"
            raise ValueError(
                f"job_minutes: {self.job_minutes:g} {more}; lower the one or raise the other"
            )
        return self


def _check_option(name: str) -> None:
    """A ValueError for an option of sbatch that a profile must not give, in words; sbatch takes
    names cut short too.
    """
    long = name.lstrip("-").replace("_", "-")
    begin_so = [
        option
        for option in ("clusters", *FIELD_OF, *OURS)
        if option.startswith(long) and len(long) > 1
    ]
    meant = long if long in begin_so else next(iter(begin_so), None)
    if meant == "clusters" or long == "M":
        why = "where squeue of this one does not see them, so that they count as lost"
        raise ValueError(
            f"{name} sends jobs to another cluster, {why}; submit from a login node of that cluster"
        )
    if meant in FIELD_OF:
        raise ValueError(f"{name} has a field of its own; use `{FIELD_OF[meant]}:`")
    if meant:
        raise ValueError(
            f"{name} is set by the harness itself; leave it out (it sets {', '.join(OURS)})"
        )
    if not re.fullmatch(r"[a-z][a-z-]+", name):
        right = "small letters and hyphens, without the dashes before it, as in `mail-type: END`"
        raise ValueError(f"{name!r} is not the long name of an option: {right}")


def read_profile(path: Path) -> Profile:
    """The profile at `path`; a HarnessError with one line per mistake otherwise."""
    return read_settings(
        path,
        Profile,
        "a cluster profile; `harness list profiles` says where there are some to copy",
    )
