"""Steps on a real Dask cluster of two worker processes: same bytes, deaths, errors, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fakes.projects import STREAM, TRAINED, Repository, applied_finished, children_of, fleet, locked, repository
from tinyops.artifacts import Progress, Source, Step
from tinyops.build import dask_runner
from tinyops.build.dask_runner import DaskRunner
from tinyops.errors import DoesNotFit, ExitCode, ToolError
from tinyops.files import digest_bytes

pytestmark = pytest.mark.build

PATIENCE_S = 30
HTTP = "127.0.0.1:0"  # any free port
GIVEN = b"given"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two workers that offer `build` and not `train`; a task is lost when two of them died of it."""
    import dask
    from distributed import LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            resources={"build": 1},
            preload=["fakes.cluster_steps"],
            dashboard_address=HTTP,
            silence_logs=50,
        ) as cluster,
    ):
        yield cluster.scheduler_address


@dataclass
class Place:
    """Runs steps on the cluster, each in a thread as the executor does."""

    runner: DaskRunner
    folder: Path
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))
    told: list[Progress] = field(default_factory=list)

    def start(self, key: str, kind: str = "image", **settings: Any) -> Future[tuple[dict[str, Any], bytes]]:
        given = self.folder / "given"
        given.write_bytes(GIVEN)
        step = Step(kind, key, {"note": str(self.note(key)), **settings}, {}, {}, {"given": Source(given, "")})
        out = Path(self.folder / f"out-{time.monotonic_ns()}")
        out.mkdir()

        def run() -> tuple[dict[str, Any], bytes]:
            facts = self.runner.run(step, digest_bytes(key.encode()), {"given": given}, out, self.told.append)
            return facts, (out / "sub" / "text").read_bytes()

        return self.pool.submit(run)

    def note(self, key: str) -> Path:
        return self.folder / f"note-{key}"

    def pids(self, key: str) -> list[int]:
        """The workers that began a step, each as often as it did."""
        return [int(pid) for pid in self.note(key).read_text().split()] if self.note(key).exists() else []


@pytest.fixture
def place(address: str, tmp_path: Path) -> Iterator[Place]:
    with DaskRunner(2, address) as runner:
        place = Place(runner, tmp_path)
        yield place
        place.pool.shutdown()


def wait_until(holds: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def sleepers(parent: int) -> list[int]:
    """The programs that a worker runs for its step."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.read_text().rpartition(")")[::2]
        except OSError:
            continue
        if name.endswith("(sleep") and int(fields.split()[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def test_files_and_facts_come_back_from_another_process_and_progress_is_told(place: Place) -> None:
    facts, text = place.start("one").result(PATIENCE_S)
    assert text == GIVEN * 2
    assert [facts["pid"]] == place.pids("one")
    assert facts["pid"] != os.getpid()
    wait_until(lambda: Progress(1, 2, "half way") in place.told)


def test_what_two_want_at_once_is_done_once(place: Place, address: str) -> None:
    first = place.start("shared", waits=1)
    wait_until(lambda: place.pids("shared"))
    with DaskRunner(2, address) as other:
        second = Place(other, place.folder).start("shared", waits=1)
        third = place.start("shared", waits=1)
        wait_until(lambda: sleepers(place.pids("shared")[0]))
        time.sleep(0.5)  # long enough for a second run to begin
        os.kill(sleepers(place.pids("shared")[0])[0], signal.SIGKILL)
        errors = [run.exception(PATIENCE_S) for run in (first, second, third)]
    assert len(place.pids("shared")) == 1
    assert {str(error) for error in errors} == {"sleep failed: killed by SIGKILL"}


def test_the_step_of_a_killed_worker_is_run_again(place: Place) -> None:
    running = place.start("killed", waits=1)
    wait_until(lambda: place.pids("killed") and sleepers(place.pids("killed")[0]))
    first = place.pids("killed")[0]
    orphans = sleepers(first)
    os.kill(first, signal.SIGKILL)
    facts, text = running.result(PATIENCE_S)
    for orphan in orphans:
        os.kill(orphan, signal.SIGKILL)
    assert text == GIVEN * 2
    assert place.pids("killed") == [first, facts["pid"]]
    assert facts["pid"] != first


def test_a_step_that_kills_its_workers_is_an_error_and_the_cluster_lives_on(place: Place) -> None:
    with pytest.raises(ToolError, match="image:deadly: every worker that ran it died"):
        place.start("deadly", dies=True).result(PATIENCE_S)
    assert len(place.pids("deadly")) == 2
    assert place.start("after").result(PATIENCE_S)[1] == GIVEN * 2


def test_a_steps_own_error_comes_back_as_it_was_and_is_not_tried_again(place: Place) -> None:
    with pytest.raises(DoesNotFit) as caught:
        place.start("large", fails=True).result(PATIENCE_S)
    error = caught.value
    assert (error.message, error.hint, error.arena_bytes) == ("too large", "use less", 7)
    assert error.exit_code is ExitCode.DOES_NOT_FIT
    assert len(place.pids("large")) == 1


def test_what_is_interrupted_ends_on_the_worker_too(place: Place, address: str, tmp_path: Path) -> None:
    running = place.start("long", waits=1)
    wait_until(lambda: place.pids("long") and sleepers(place.pids("long")[0]))
    place.runner.interrupt()
    with pytest.raises(ToolError, match="given up"):
        running.result(PATIENCE_S)
    wait_until(lambda: not sleepers(place.pids("long")[0]))
    with DaskRunner(2, address) as other:
        assert Place(other, tmp_path).start("later").result(PATIENCE_S)[1] == GIVEN * 2


def test_a_resource_that_no_worker_offers_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_runner, "WORKERS_WAIT_S", 0.5)
    with pytest.raises(ToolError, match="no worker of the cluster offers the resource train") as caught:
        place.start("trained", kind="train").result(PATIENCE_S)
    assert '--resources "train=1"' in caught.value.hint
    assert [p.message for p in place.told if p.announce] == ["waits for a worker that offers train"]


def test_a_worker_of_several_threads_is_refused(tmp_path: Path) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, resources={"build": 1}, dashboard_address=HTTP
        ) as threads,
        DaskRunner(2, threads.scheduler_address) as runner,
        pytest.raises(ToolError, match="a worker with 2 threads") as caught,
    ):
        Place(runner, tmp_path).start("x").result(PATIENCE_S)
    assert "--nthreads 1" in caught.value.hint


def test_a_cluster_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_runner, "CONNECT_S", 1)
    for wrong in ("tcp://127.0.0.1:1", "nonsense://x"):
        with DaskRunner(2, wrong) as runner:
            for _ in range(2):
                with pytest.raises(ToolError, match=f"no Dask cluster {wrong}"):
                    Place(runner, tmp_path).start("x").result(PATIENCE_S)
                monkeypatch.setattr(runner, "_connect", lambda: pytest.fail("waited again"))


# -- whole commands ----------------------------------------------------------------------------


def test_the_same_bytes_as_without_a_cluster(tmp_path: Path) -> None:
    bench = applied_finished().copy(tmp_path / "bench")
    shutil.rmtree(bench.releases)
    bench.clear_store()
    done = bench.ok("apply", "--executor", "dask", "--jobs", "2")
    assert len(done.built) == 10
    assert bench.digests() == applied_finished().digests()
    assert bench.manifest()["steps"] == applied_finished().manifest()["steps"]
    assert bench.run("plan", "--detailed-exitcode").code == 0
    assert children_of(bench) == []


def started_training(folder: Path) -> tuple[Repository, subprocess.Popen[str]]:
    """An apply whose worker is in the middle of a training that would take hours."""
    model = TRAINED.replace("epochs: 2", "epochs: 99999")
    bench = locked(repository(folder, model, fleet("wrist", "motion", {"linux": STREAM})))
    child = bench.start("apply", "--executor", "dask", "--jobs", "2")
    wait_until(lambda: any("tinyops.train.worker" in line for line in children_of(bench)))
    return bench, child


def test_ctrl_c_ends_the_workers_and_what_they_run(tmp_path: Path) -> None:
    bench, child = started_training(tmp_path / "bench")
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == ExitCode.INTERRUPTED, err
    assert err.rstrip().endswith("interrupted; finished steps are kept")
    assert (out, "Traceback" in err) == ("", False), err
    wait_until(lambda: not children_of(bench))
    assert not list(bench.releases.glob("v*"))


def test_workers_end_with_a_command_that_is_killed(tmp_path: Path) -> None:
    bench, child = started_training(tmp_path / "bench")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate(timeout=PATIENCE_S)
    wait_until(lambda: not children_of(bench))


def test_a_cluster_without_its_executor_is_a_usage_error(tmp_path: Path) -> None:
    done = applied_finished().run("plan", "--build", "--cluster", "tcp://127.0.0.1:1", "--replace", "twin:desk/linux")
    assert (done.code, "--cluster names a Dask cluster" in done.err) == (ExitCode.USAGE, True)
