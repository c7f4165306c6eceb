"""Which jobs build what a plan wants: first one for each model, then one for each image. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass

from tinyops.artifacts import Step, closure
from tinyops.errors import UsageError
from tinyops.files import JsonObject
from tinyops.plan import Plan
from tinyops.plan.changes import Action

JOBS_MAX = 256  # of one matrix on GitHub
OUTPUT_LIMIT_BYTES = 900_000  # GitHub takes a megabyte of outputs from one job
OF_BOARDS = frozenset({"compile", "image", "firmware", "twin", "chain"})  # made again byte for byte on any machine
_BUILT = frozenset({Action.CREATE, Action.UPDATE, Action.REPLACE})


@dataclass(frozen=True)
class Job:
    """One job: the steps whose makings it hands on, as one line, and the name of the artifact that it uploads."""

    name: str
    steps: str
    artifact: str


@dataclass(frozen=True)
class Matrix:
    """`models` comes first: training is not reproducible, so each model is trained in one job and images take it."""

    models: tuple[Job, ...]
    images: tuple[Job, ...]

    def to_json(self) -> JsonObject:
        return {"models": [asdict(job) for job in self.models], "images": [asdict(job) for job in self.images]}

    def outputs(self) -> str:
        """As lines for the file that GITHUB_OUTPUT names. Raises UsageError when GitHub would refuse them."""
        lines = [f"{name}={json.dumps(jobs, separators=(',', ':'))}" for name, jobs in self.to_json().items()]
        text = "\n".join(lines)
        if len(text) > OUTPUT_LIMIT_BYTES:
            raise UsageError(
                f"the matrix takes {len(text):,} bytes, and GitHub takes {OUTPUT_LIMIT_BYTES:,} from a job",
                hint="let one job build everything: `tinyops apply` alone",
            )
        return text


def matrix_of(plan: Plan, steps: Mapping[str, Step], most: int = JOBS_MAX) -> Matrix:
    """At most `most` jobs of each sort; where there is more to build, neighbours share a job."""
    stale = {c.id for c in plan.pending if c.action in _BUILT and c.id in steps}
    kept = {c.id for c in plan.changes} - stale
    ends = [*_together([*_ends({i for i in stale if steps[i].kind not in OF_BOARDS}, steps)], steps, kept)]
    images = [[i] for i in _ends({i for i in stale if steps[i].kind in OF_BOARDS}, steps)]
    images.sort(key=lambda ids: (_models(steps[ids[0]]), ids))
    return Matrix((*_jobs(ends, "models", most),), (*_jobs(images, "images", most),))


def _ends(ids: set[str], steps: Mapping[str, Step]) -> Iterator[str]:
    """Those that no other of them reads."""
    read = {ref.step for i in ids for ref in steps[i].inputs.values()}
    return iter(sorted(ids - read))


def _together(ends: Sequence[str], steps: Mapping[str, Step], kept: Set[str]) -> Iterator[list[str]]:
    """Ends that read the same training, which must not be done twice, as one: boards that choose among variants."""
    jobs: list[tuple[list[str], set[str]]] = []
    for end in ends:
        mine, trained = [end], {i for i in closure([end], steps) if steps[i].kind == "train"} - kept
        for other in [job for job in jobs if job[1] & trained]:
            jobs.remove(other)
            mine, trained = [*other[0], *mine], other[1] | trained
        jobs.append((mine, trained))
    return (ids for ids, _ in sorted(jobs))


def _models(step: Step) -> str:
    """What a board's step reads, so that images of one model are neighbours."""
    return min((ref.step for ref in step.inputs.values()), default="")


def _jobs(ends: Sequence[Sequence[str]], sort: str, most: int) -> Iterator[Job]:
    count = min(len(ends), most)
    for number in range(count):
        mine = [i for ids in ends[number * len(ends) // count : (number + 1) * len(ends) // count] for i in ids]
        first = mine[0].partition(":")[2]
        name = first if len(mine) == 1 else f"{first} and {len(mine) - 1} more"
        yield Job(name, " ".join(mine), f"built-{sort}-{number:03}")
