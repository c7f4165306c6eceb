"""The lease: exclusive among processes, taken over from the dead, never from the living."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.power import cut_at
from tinyops.errors import Leased
from tinyops.release.lease import holding, take


@contextmanager
def another_process_holds(folder: Path) -> Iterator[int]:
    """A child that holds the lease until the block ends, and then dies without giving it back."""
    ready, done = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        take(folder, "apply in a child")
        os.write(ready[1], b"x")
        os.close(done[1])
        os.read(done[0], 1)
        os._exit(9)
    os.read(ready[0], 1)
    try:
        yield pid
    finally:
        os.write(done[1], b"x")
        os.waitpid(pid, 0)
        for descriptor in (*ready, *done):
            os.close(descriptor)


def test_the_number_rises(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        with holding(tmp_path, "t") as lease:
            lease.check()
            numbers.append(lease.fence)
    assert numbers == [1, 2, 3]
    assert [p.name for p in tmp_path.iterdir()] == ["00000003.json"]


def test_a_second_one_is_told_who_and_since_when(tmp_path: Path) -> None:
    with another_process_holds(tmp_path) as pid:
        with pytest.raises(Leased) as caught:
            take(tmp_path, "t")
        assert f"process {pid}" in caught.value.message
        assert "for apply in a child, since" in caught.value.message
        assert caught.value.exit_code == 75


def test_even_the_same_process_holds_it_once(tmp_path: Path) -> None:
    with holding(tmp_path, "t"), pytest.raises(Leased, match=f"process {os.getpid()}"):
        take(tmp_path, "t")


def test_a_dead_owners_lease_is_taken_over(tmp_path: Path) -> None:
    with another_process_holds(tmp_path):
        pass
    with holding(tmp_path, "t") as lease:
        assert lease.fence == 2


def edit(folder: Path, **changes: object) -> None:
    (path,) = folder.glob("*.json")
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def test_a_process_id_that_was_given_to_another_process_counts_as_dead(tmp_path: Path) -> None:
    take(tmp_path, "t")
    edit(tmp_path, started="1")
    assert take(tmp_path, "t").fence == 2


def test_an_owner_elsewhere_is_never_taken_for_dead(tmp_path: Path) -> None:
    take(tmp_path, "t")
    for changes in ({"pid_space": "pid:[1]", "pid": 999_999}, {"boot": "another", "machine": "elsewhere"}):
        edit(tmp_path, **changes)
        with pytest.raises(Leased):
            take(tmp_path, "t")


def test_the_lease_of_before_a_reboot_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = ("machine/host", "boot 1", "pid:[1]")
    monkeypatch.setattr("tinyops.release.holder._here", lambda: here)
    take(tmp_path, "t")
    here = ("machine/host", "boot 2", "pid:[1]")
    assert take(tmp_path, "t").fence == 2


def test_a_damaged_lease_is_not_free(tmp_path: Path) -> None:
    take(tmp_path, "t")
    for content in ("", "{}", "[1]", '{"owner": 1}'):
        next(tmp_path.glob("*.json")).write_text(content)
        with pytest.raises(Leased, match="its record is damaged"):
            take(tmp_path, "t")


def test_who_slept_through_a_take_over_notices(tmp_path: Path) -> None:
    slept = take(tmp_path, "t")
    edit(tmp_path, started="1")
    newer = take(tmp_path, "t")
    with pytest.raises(Leased, match="taken over"):
        slept.check()
    slept.release()
    newer.check()


def test_a_number_used_again_by_hand_does_not_fool_the_sleeper(tmp_path: Path) -> None:
    slept = take(tmp_path, "t")
    next(tmp_path.glob("*.json")).unlink()
    assert take(tmp_path, "t").fence == slept.fence
    with pytest.raises(Leased):
        slept.check()


def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    children = []
    gate, answers, end = os.pipe(), os.pipe(), os.pipe()
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            os.close(gate[1])
            os.close(end[1])
            os.read(gate[0], 1)
            try:
                take(tmp_path, "t")
                os.write(answers[1], b"+")
            except Leased:
                os.write(answers[1], b"-")
            os.read(end[0], 1)  # lives on until everybody has tried, so that nobody finds a dead owner
            os._exit(0)
        children.append(pid)
    for descriptor in (*gate, end[0]):
        os.close(descriptor)
    found = b"".join(os.read(answers[0], 1) for _ in children)
    os.close(end[1])
    for pid in children:
        os.waitpid(pid, 0)
    for descriptor in answers:
        os.close(descriptor)
    assert sorted(found) == sorted(b"+" + b"-" * 7)


def test_a_kill_at_any_step_leaves_a_lease_that_can_be_taken(tmp_path: Path) -> None:
    def hold() -> None:
        with holding(tmp_path, "t"):
            pass

    step = 1
    while cut_at(hold, tmp_path, step):
        hold()
        assert not list(tmp_path.glob(".new.*"))
        step += 1
    print(f"lease: killed at {step - 1} steps")
    assert step > 4


def test_a_record_gives_no_ids_of_the_machine_away(tmp_path: Path) -> None:
    """A lease on GitHub may be read by anybody."""
    take(tmp_path, "t")
    record = next(tmp_path.glob("*.json")).read_text()
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        if Path(path).exists():
            assert Path(path).read_text().strip() not in record
