"""Apply killed at any moment, interrupted, or run twice at once: what was finished is kept, nothing is half done."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.projects import STREAM, TRAINED, Repository, applied_finished, children_of, fleet, locked, repository

pytestmark = pytest.mark.build

PATIENCE_S = 60


@pytest.fixture
def empty(tmp_path: Path) -> Repository:
    """Ready for its first apply: the same specs, key and lock as `applied_finished`."""
    bench = applied_finished().copy(tmp_path / "bench")
    shutil.rmtree(bench.releases)
    bench.clear_store()
    return bench


def lines_of(child: subprocess.Popen[str]) -> Iterator[str]:
    assert child.stderr is not None
    for line in child.stderr:  # noqa: UP028 (`yield from` would close it with this generator)
        yield line


def stop(child: subprocess.Popen[str], number: signal.Signals) -> int:
    """Sends a signal to apply alone, waits for its end, and returns its exit status."""
    os.kill(child.pid, number)
    return ended(child)


def ended(child: subprocess.Popen[str]) -> int:
    """Waits for the end of apply and returns its exit status."""
    status = child.wait(timeout=PATIENCE_S)
    for stream in (child.stdout, child.stderr):
        assert stream is not None
        stream.close()
    return status


def step_of(line: str) -> str:
    return " ".join(line.split("…")[0].split(" done in")[0].split())


def scratch(bench: Repository) -> list[Path]:
    return list((bench.root / ".tinyops" / "store" / "scratch").glob("*"))


def test_killed_at_each_step_the_next_run_carries_on(empty: Repository) -> None:
    """Each run is killed at the first event that no run before showed, until one comes to its end."""
    seen: set[str] = set()
    finished: list[str] = []
    for _ in range(100):
        child = empty.start("apply", "--jobs", "1")
        new = None
        for line in lines_of(child):
            if " done in" in line:
                finished.append(step_of(line))
            if line not in seen and ("…" in line or " done in" in line):
                event = f"{step_of(line)} {'done' if ' done in' in line else 'started'}"
                if event not in seen:
                    new = event
                    seen.add(event)
                    break
        if new is None:
            assert child.stdout is not None
            assert child.stdout.read().startswith("Published v1 of bench.")
            assert ended(child) == 0
            break
        stop(child, signal.SIGKILL)
        assert empty.run("show").code == 0
    assert len(finished) == len(set(finished)), "a finished step ran again"
    assert len([e for e in seen if e.endswith("done")]) == len(set(finished))
    assert len(seen) >= 2 * 8  # collect, squeeze; compile, image, firmware and twin of two boards
    assert empty.digests() == applied_finished().digests()
    assert empty.run("plan", "--detailed-exitcode").code == 0
    assert scratch(empty) == []


def test_killed_at_any_moment_of_publishing_a_release_is_there_or_not(empty: Repository) -> None:
    """With every step in the store, apply does little but publish."""
    empty.ok("apply")
    chance = random.Random(7)  # noqa: S311
    for _ in range(8):
        shutil.rmtree(empty.releases, ignore_errors=True)  # killed before it made the folder
        child = empty.start("apply")
        time.sleep(0.25 + chance.random() * 0.35)
        stop(child, signal.SIGKILL)
        shown = empty.run("show", "--json")
        assert shown.code == 0
        if shown.json["version"] and (empty.releases / "latest").is_symlink():  # else the next apply points it there
            assert empty.digests() == applied_finished().digests()
    again = empty.ok("apply")
    assert again.built == []
    assert [p.name for p in empty.releases.iterdir() if p.name.startswith(".draft")] == []
    assert empty.digests() == applied_finished().digests()


# -- two at once -------------------------------------------------------------------------------


def test_of_two_at_once_one_is_told_who_is_at_it(empty: Repository) -> None:
    first = empty.start("apply")
    next(lines_of(first))
    second = empty.run("apply", "--json")
    assert second.code == 75
    message = second.json["error"]["message"]
    assert f"(process {first.pid}) holds the lease for apply" in message
    out, _ = first.communicate(timeout=PATIENCE_S)
    assert (first.returncode, out.splitlines()[0]) == (0, "Published v1 of bench.")
    assert empty.ok("apply").out.startswith("No changes.")


def test_while_one_applies_another_may_plan(empty: Repository) -> None:
    first = empty.start("apply")
    next(lines_of(first))
    assert empty.run("plan").code == 0
    first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 0


def test_the_lease_of_a_dead_owner_is_taken_over(empty: Repository) -> None:
    first = empty.start("apply")
    next(lines_of(first))
    stop(first, signal.SIGKILL)
    assert list((empty.releases / ".lease").glob("*.json"))
    assert empty.ok("apply").out.startswith("Published v1")


# -- Ctrl-C ------------------------------------------------------------------------------------


def wait_for(bench: Repository, text: str) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not any(text in line for line in children_of(bench)):
        assert time.monotonic() < limit, f"no process {text!r} was started"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("busy", "specs", "end"),
    [
        ("tinyops.train.worker", (TRAINED.replace("epochs: 2", "epochs: 99999"), {"linux": STREAM}), signal.SIGINT),
        ("tinyops.train.worker", (TRAINED.replace("epochs: 2", "epochs: 99999"), {"linux": STREAM}), signal.SIGTERM),
        ("platformio", (TRAINED, {"microbit": STREAM}), signal.SIGINT),
    ],
    ids=["training", "training, terminated", "building firmware"],
)
def test_ctrl_c_ends_everything_and_leaves_what_is_finished(
    tmp_path: Path, busy: str, specs: tuple[str, dict[str, str]], end: signal.Signals
) -> None:
    model, boards = specs
    bench = locked(repository(tmp_path / "bench", model, fleet("wrist", "motion", boards)))
    child = bench.start("apply", "--jobs", "2")
    wait_for(bench, busy)
    os.killpg(child.pid, end)
    out, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 130, err
    assert err.rstrip().endswith("interrupted; finished steps are kept")
    assert (out, "Traceback" in err) == ("", False)
    assert children_of(bench) == []
    assert not list(bench.releases.glob("v*"))
    bench.edit("specs/fleets.yaml", "epochs: 99999" if "99999" in model else "epochs: 2", "epochs: 1")
    assert bench.ok("apply").out.startswith("Published v1")
    assert scratch(bench) == []


def test_what_a_killed_training_leaves_behind_ends_too_and_is_swept(tmp_path: Path) -> None:
    model = TRAINED.replace("epochs: 2", "epochs: 99999")
    bench = locked(repository(tmp_path / "bench", model, fleet("wrist", "motion", {"linux": STREAM})))
    child = bench.start("apply")
    wait_for(bench, "tinyops.train.worker")
    stop(child, signal.SIGKILL)
    assert scratch(bench)
    limit = time.monotonic() + PATIENCE_S
    while children_of(bench):  # its next report finds nobody who listens
        assert time.monotonic() < limit, children_of(bench)
        time.sleep(0.1)
    shutil.copy(applied_finished().root / "specs" / "fleets.yaml", bench.root / "specs")  # a model without training
    bench.ok("lock")
    bench.ok("apply")
    assert scratch(bench) == []
