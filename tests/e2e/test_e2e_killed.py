"""A hundred applies killed at random moments, and clocks that jump: after each the whole state is looked at."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.mortal import KILLED, Mortal, mortal
from fakes.projects import FINISHED, STREAM, Repository, fleet, locked, repository
from tinyops.build.trust import find_trust
from tinyops.files import digest_file
from tinyops.manifest.document import Manifest, entry_asset
from tinyops.manifest.entry import read_entry
from tinyops.release.directory import DirectoryStore

pytestmark = pytest.mark.build

KILLS = 100
FLEETS = "specs/fleets.yaml"
BESIDE = ("balanced", "size", "speed")  # what the compiler prefers: each is another image
YEAR_S = 365 * 24 * 3600


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One release, and a store that holds what the next two images need, so that publishing is most of an apply."""
    bench = locked(repository(tmp_path_factory.mktemp("killed") / "bench", FINISHED, fleet("desk", "tiny", LINUX)))
    bench.ok("apply")
    first = bench.root.parent / "first"
    shutil.copytree(bench.releases, first, symlinks=True)
    for prefer in BESIDE[1:]:
        want(bench, prefer)
        bench.ok("apply")
    want(bench, BESIDE[0])
    shutil.rmtree(bench.releases)
    first.rename(bench.releases)
    shutil.rmtree(bench.root / ".tinyops" / "past", ignore_errors=True)
    return bench


LINUX = {"linux": STREAM}


@pytest.fixture
def bench(built: Repository, tmp_path: Path) -> Repository:
    return built.copy(tmp_path / "bench")


def want(bench: Repository, prefer: str, kept: bool = False) -> None:
    """Specs with a preference (other files), and `prevent_destroy` (another manifest, the same files)."""
    lines = (bench.root / FLEETS).read_text().splitlines(keepends=True)
    plain = "".join(line for line in lines if "prevent_destroy:" not in line and "squeeze:" not in line)
    model, _, rest = plain.partition("metadata: {name: tiny}\nspec:\n")
    text = f"{model}metadata: {{name: tiny}}\nspec:\n  squeeze: {{prefer: {prefer}}}\n{rest}"
    bench.write(FLEETS, text.replace("  model: tiny\n", f"  model: tiny\n  prevent_destroy: {str(kept).lower()}\n"))


@dataclass
class Watch:
    """Looks at everything that a killed apply may have touched; only a newer whole release may be new."""

    bench: Repository
    version: int = 0
    previous: set[str] = field(default_factory=set)

    def look(self) -> Manifest:
        trust = find_trust(self.bench.root)
        assert trust is not None
        store = DirectoryStore(self.bench.releases, "bench", trust)
        release = store.latest()
        assert release is not None
        manifest = release.manifest
        assert manifest.version in (self.version, self.version + 1) or not self.version
        for digest in manifest.assets:
            store.fetch_output(manifest, digest)  # raises for what is not there whole
        for name, released in manifest.fleets.items():
            for board in released.boards:
                path = self.bench.releases / manifest.tag / entry_asset(name, board)
                entry, _ = read_entry(path.read_bytes(), trust, where=str(path))
                assert (entry.version, f"sha256:{entry.model.sha256}") == (
                    manifest.version,
                    released.boards[board].model.digest,
                )
        self._look_at_link(manifest.version)
        self._look_at_store()
        self.version = manifest.version
        return manifest

    def _look_at_link(self, version: int) -> None:
        """It points to the newest release, or to the one before until the next lease moves it."""
        assert (self.bench.releases / "latest" / "manifest.json").is_file()
        assert (self.bench.releases / "latest").readlink().name in (f"v{version}", f"v{version - 1}")

    def _look_at_store(self) -> None:
        for path in (self.bench.root / ".tinyops" / "store" / "objects").glob("*/*"):
            if not path.name.startswith("."):  # what was being written has a name that nobody asks for
                assert digest_file(path) == f"sha256:{path.parent.name}{path.name}"


def changes() -> Iterator[tuple[str, bool]]:
    """Specs that follow each other, each with something to publish."""
    kept = False
    while True:
        for prefer in (*BESIDE[1:], BESIDE[0]):
            yield prefer, kept
            kept = not kept
            yield prefer, kept


def finished_in(mortals: Mortal, wanted: Iterator[tuple[str, bool]]) -> float:
    """Seconds of an apply that nobody kills."""
    want(mortals.bench, *next(wanted))
    begin = time.monotonic()
    assert mortals.run("apply").code == 0
    return time.monotonic() - begin


def test_a_hundred_applies_killed_at_random_moments_leave_a_whole_state(bench: Repository) -> None:
    chance = random.Random(5)  # noqa: S311
    killed = published = 0
    wanted = changes()
    with mortal(bench) as mortals:
        longest_s = max(finished_in(mortals, wanted) for _ in range(2))
        watch = Watch(bench)
        watch.look()
        while killed < KILLS:
            prefer, kept = next(wanted)
            want(bench, prefer, kept)
            before = watch.version
            while (done := mortals.run("apply", kill_after_s=chance.random() * longest_s)).code == KILLED:
                killed += 1
                watch.look()
            assert done.code == 0, done.err
            assert watch.look().fleets["desk"].prevent_destroy == kept
            assert watch.version == before + 1, "one change, one release, however often it was begun"
            assert (bench.releases / "latest").readlink().name == f"v{watch.version}"
            assert mortals.run("plan", "--detailed-exitcode").code == 0
            assert not [p.name for p in bench.releases.iterdir() if p.name.startswith((".draft", ".latest-"))]
            published += 1
    assert published >= 5, "nearly all were killed: the moments say little about publishing"
    assert not list((bench.root / ".tinyops" / "store" / "scratch").glob("*"))


def test_a_change_that_builds_is_carried_on_however_often_it_is_killed(bench: Repository) -> None:
    """With an empty store: killed in the middle of steps, whose programs outlive them for a moment."""
    bench.clear_store()
    want(bench, "size", kept=True)
    chance = random.Random(6)  # noqa: S311
    watch = Watch(bench)
    watch.look()
    with mortal(bench) as mortals:
        for _ in range(12):
            assert mortals.run("apply", kill_after_s=0.1 + chance.random() / 4).code in (0, KILLED)
            watch.look()
        done = mortals.run("apply")
        assert done.code == 0, done.err
        assert watch.look().fleets["desk"].prevent_destroy
        assert mortals.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("clock_s", [YEAR_S, -YEAR_S], ids=["a year ahead", "a year behind"])
def test_a_clock_that_was_wrong_for_one_apply_harms_no_later_one(bench: Repository, clock_s: float) -> None:
    watch = Watch(bench)
    now = watch.look().created
    with mortal(bench) as mortals:
        want(bench, "balanced", kept=True)
        assert mortals.run("apply", clock_s=clock_s).code == 0
        shifted = watch.look().created
        assert (shifted > now) == (clock_s > 0)
        assert mortals.run("plan", "--detailed-exitcode").code == 0
        want(bench, "balanced")
        done = mortals.run("apply")
        assert done.code == 0, done.err
        right = watch.look()
        assert (right.created < shifted) == (clock_s > 0)
        assert (right.version, right.fleets["desk"].prevent_destroy) == (3, False)
        history = mortals.run("history", "--json")
        assert history.code == 0, history.err


@pytest.mark.parametrize("clock_s", [YEAR_S, -YEAR_S], ids=["a year ahead", "a year behind"])
def test_a_lease_that_a_dead_run_took_at_another_time_is_free(bench: Repository, clock_s: float) -> None:
    want(bench, "balanced", kept=True)
    with mortal(bench) as mortals:
        for moment in range(400):  # until it is killed with the lease in its hands
            mortals.run("apply", kill_after_s=0.01 * moment, clock_s=clock_s)
            if lease_is_held(bench):
                break
        assert lease_is_held(bench)
        assert mortals.run("apply").code == 0
        assert Watch(bench).look().fleets["desk"].prevent_destroy


def lease_is_held(bench: Repository) -> bool:
    return any('"released": false' in path.read_text() for path in (bench.releases / ".lease").glob("*.json"))
