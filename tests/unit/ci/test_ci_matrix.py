"""Jobs of the build matrix: each model trained once, one job an image, never more than a matrix may have."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from tinyops.artifacts import Condition, InputRef, Step
from tinyops.ci.matrix import JOBS_MAX, Job, matrix_of
from tinyops.errors import UsageError
from tinyops.plan import Action, Bound, Change, Plan

BOUND = Bound(*("sha256:" + digit * 64 for digit in "1234"))


def step(name: str, *reads: str) -> Step:
    kind, _, subject = name.partition(":")
    return Step(kind, subject, inputs={f"i{n}": InputRef(read, "x") for n, read in enumerate(reads)})


def steps_of(fleets: dict[str, tuple[str, Iterable[str]]]) -> dict[str, Step]:
    """A fleet's model and boards, with all their steps."""
    found: dict[str, Step] = {}
    for fleet, (model, boards) in fleets.items():
        some = [
            step("collect:data"),
            step(f"train:{model}", "collect:data"),
            step(f"squeeze:{model}/int8", "collect:data", f"train:{model}"),
        ]
        for board in boards:
            squeezed, image = f"squeeze:{model}/int8", f"image:{model}/{board}"
            some += [
                step(f"compile:{model}/{board}", squeezed),
                step(image, f"compile:{model}/{board}"),
                step(f"firmware:{fleet}/{board}"),
                step(f"twin:{fleet}/{board}", image, f"firmware:{fleet}/{board}", squeezed),
            ]
        found |= {s.id: s for s in some}
    return found


def plan(steps: Iterable[str], **other: Action) -> Plan:
    """All of the steps are made, but what `other` says."""
    changes = [Change(*i.split(":"), other.get(i.replace(":", "_").replace("/", "_"), Action.CREATE)) for i in steps]
    return Plan("p", 1, BOUND, (*changes, Change("fleet", "f", Action.UPDATE), Change("release", "p", Action.UPDATE)))


STEPS = steps_of({"wrist": ("activity", ("microbit", "linux")), "desk": ("digits", ("linux",))})


def test_models_first_each_in_one_job_then_every_image() -> None:
    made = matrix_of(plan(STEPS), STEPS)
    assert [job.steps for job in made.models] == ["squeeze:activity/int8", "squeeze:digits/int8"]
    assert {job.steps for job in made.images} == {"twin:wrist/linux", "twin:wrist/microbit", "twin:desk/linux"}
    assert made.images[0].artifact == "built-images-000"
    assert len({job.artifact for job in (*made.models, *made.images)}) == 5


def test_only_what_is_stale_has_a_job() -> None:
    kept = {i.replace(":", "_").replace("/", "_"): Action.KEEP for i in STEPS if "microbit" not in i}
    made = matrix_of(plan(STEPS, **kept), STEPS)
    assert made.models == ()
    assert made.images == (Job("wrist/microbit", "twin:wrist/microbit", "built-images-000"),)
    assert matrix_of(plan(()), STEPS).to_json() == {"models": [], "images": []}


@pytest.mark.parametrize("action", [Action.KEEP, Action.HELD, Action.MOVE, Action.DELETE])
def test_what_makes_nothing_has_no_job(action: Action) -> None:
    everything = {i.replace(":", "_").replace("/", "_"): action for i in STEPS}
    assert matrix_of(plan(STEPS, **everything), STEPS).outputs() == "models=[]\nimages=[]"


def test_an_image_that_is_made_while_its_twin_is_not_is_an_end_itself() -> None:
    made = matrix_of(plan(STEPS, twin_desk_linux=Action.KEEP), STEPS)
    assert {"image:digits/linux", "firmware:desk/linux"} < {job.steps for job in made.images}


@pytest.mark.parametrize("count", [1, 255, 256, 257, 1000])
def test_never_more_jobs_than_a_matrix_may_have(count: int) -> None:
    steps = steps_of({"f": ("m", [f"b{n:04}" for n in range(count)])})
    made = matrix_of(plan(steps), steps)
    assert len(made.images) == min(count, JOBS_MAX)
    given = [one for job in made.images for one in job.steps.split(" ")]
    assert sorted(given) == sorted(i for i in steps if i.startswith("twin:"))
    sizes = [len(job.steps.split(" ")) for job in made.images]
    assert max(sizes) - min(sizes) <= 1
    if count > JOBS_MAX:
        assert any(" and " in job.name for job in made.images)


def test_what_goes_into_the_outputs_file_is_one_line_each() -> None:
    lines = matrix_of(plan(STEPS), STEPS).outputs().split("\n")
    assert [line.split("=")[0] for line in lines] == ["models", "images"]
    jobs = json.loads(lines[1].removeprefix("images="))
    assert set(jobs[0]) == {"name", "steps", "artifact"}


def test_more_than_github_takes_is_said_here() -> None:
    steps = steps_of({"f" * 60: ("m", [f"{'b' * 200}{n:05}" for n in range(4000)])})
    with pytest.raises(UsageError, match="the matrix takes"):
        matrix_of(plan(steps), steps).outputs()


def test_boards_that_choose_among_variants_are_one_job_for_each_is_trained_once() -> None:
    variants = ("m", "m/w")
    steps = [step("fits:m")]
    steps += [replace(step(f"train:{v}"), condition=Condition("fits:m", "searched")) for v in variants]
    steps += [step(f"choose:f/{board}", "fits:m", *(f"train:{v}" for v in variants)) for board in ("a", "b")]
    steps += [step("train:other"), step("choose:g/a", "train:other")]
    by_id = {one.id: one for one in steps}
    listed = [i for i in by_id if i not in ("train:m", "train:m/w")]  # those wait for what fits says
    assert [job.steps for job in matrix_of(plan(listed), by_id).models] == ["choose:f/a choose:f/b", "choose:g/a"]
    trained = dict.fromkeys(("train_m", "train_m_w"), Action.KEEP)
    apart = matrix_of(plan(by_id, **trained), by_id).models
    assert [job.steps for job in apart] == ["choose:f/a", "choose:f/b", "choose:g/a"]
