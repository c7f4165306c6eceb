"""Comparing the committed lock with what specs and machine would give: whose fault a difference is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tinyops.errors import SpecError, ToolError
from tinyops.reconcile.locking import compare
from tinyops.specs.lock import Lock, TinyopsPins, dump_lock

PIN = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


def lock(**changes: Any) -> Lock:
    pins = TinyopsPins(version="0.1.0", compiler=changes.pop("compiler", PIN), firmware=PIN)
    return Lock(tinyops=pins, **{"compilers": {"gcc": "12.2.0"}, "python": {"numpy": "2.0"}, **changes})


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    path = tmp_path / "tinyops.lock.yaml"
    path.write_bytes(dump_lock(lock()))
    return path


def test_the_same_lock_is_no_difference(committed: Path) -> None:
    compare(committed.parent, committed, lock())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compilers": {"gcc": "13.1.0"}}, "compilers.gcc: the lock has 12.2.0, here it is 13.1.0"),
        ({"python": {"numpy": "2.1"}}, "python.numpy: the lock has 2.0, here it is 2.1"),
        ({"emulators": {"qemu-system-arm": "7.2"}}, "emulators.qemu-system-arm: the lock has nothing, here it is 7.2"),
    ],
)
def test_other_tools_are_this_machines_fault(committed: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError) as caught:
        compare(committed.parent, committed, lock(**changes))
    assert message in caught.value.message
    assert "install what the lock wants" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compiler": OTHER}, f"tinyops.compiler: the lock has {PIN}, here it is {OTHER}"),
        ({"boards": {"linux": PIN}}, f"boards.linux: the lock has nothing, here it is {PIN}"),
        ({"compiler": OTHER, "compilers": {"gcc": "13.1.0"}}, "tinyops.compiler"),
    ],
)
def test_a_lock_that_lags_behind_is_an_error_of_the_specs_at_its_line(
    committed: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        compare(committed.parent, committed, lock(**changes))
    (problem,) = caught.value.problems
    assert problem.message == message or problem.message.startswith(message)
    assert problem.file.endswith("tinyops.lock.yaml")
    assert problem.line > 1
