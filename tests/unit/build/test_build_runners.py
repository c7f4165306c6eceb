"""Where steps run: the registry, and what is believed of a cluster's answer."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from tinyops.artifacts import Source, Step
from tinyops.build import runners
from tinyops.build.dask_runner import RESOURCES, DaskRunner, _portable, _take
from tinyops.build.dask_worker import Answer, write_files
from tinyops.build.runners import RUNNERS, STEP_FUNCTIONS, LocalRunner, open_runner
from tinyops.errors import DoesNotFit, Problem, SpecError, TinyopsError, ToolError
from tinyops.files import digest_bytes

STEP = Step("compile", "m/linux")


def test_each_runner_opens_and_starts_nothing() -> None:
    kinds = {name: type(open_runner(name, jobs=3)) for name in RUNNERS}
    assert kinds == {"local": LocalRunner, "dask": DaskRunner}
    assert [open_runner(name, jobs=3).jobs for name in RUNNERS] == [3, 3]
    with open_runner("dask", jobs=3, cluster="tcp://127.0.0.1:1") as runner:
        assert runner.jobs > 3


def test_every_kind_of_step_but_collecting_goes_to_the_cluster() -> None:
    assert set(STEP_FUNCTIONS) - set(RESOURCES) == {"collect"}


def test_without_the_package_the_executor_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with open_runner("dask", jobs=1) as runner, pytest.raises(ToolError, match="needs the package distributed") as e:
        runner.run(STEP, "key", {}, tmp_path, lambda progress: None)
    assert "tinyops[dask]" in e.value.hint


def test_a_step_locked_to_another_tinyops_runs_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "step_function", lambda kind: pytest.fail("ran"))
    with pytest.raises(ToolError, match="another version of tinyops"):
        LocalRunner().run(Step("compile", "m", {}, {"tinyops": "sha256:" + "0" * 64}), "key", {}, tmp_path, print)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "\0"])
def test_a_file_that_would_lie_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(ToolError, match="outside of its folder"):
        write_files({name: b"x"}, out)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_an_answer_is_taken_when_its_digests_hold(tmp_path: Path) -> None:
    files = {"a": (digest_bytes(b"1"), b"1"), "sub/b": (digest_bytes(b"2"), b"2")}
    assert _take(Answer({"n": 1}, files), STEP, tmp_path) == {"n": 1}
    assert (tmp_path / "sub" / "b").read_bytes() == b"2"
    with pytest.raises(ToolError, match=r"compile:m/linux: a was damaged"):
        _take(Answer({}, {"a": (digest_bytes(b"1"), b"2")}), STEP, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "error",
    [
        ToolError("no", hint="yes"),
        DoesNotFit("large", hint="less", image_bytes=1, arena_bytes=2, firmware_bytes=3),
        SpecError([Problem("a.yaml", 1, 2, "wrong", "right")]),
    ],
)
def test_errors_survive_the_way_back(error: TinyopsError) -> None:
    with pytest.raises(type(error)) as caught:
        _take(pickle.loads(pickle.dumps(Answer(error=error))), STEP, Path())  # noqa: S301
    assert vars(caught.value) == vars(error)


def test_no_path_of_this_machine_travels() -> None:
    step = _portable(Step("train", "m", {}, {}, {}, {"architecture.py": Source(Path("/home/mia/a.py"), "sha256:0")}))
    assert step.sources == {"architecture.py": Source(Path("architecture.py"), "sha256:0")}
