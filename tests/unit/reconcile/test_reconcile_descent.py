"""Which commits may be released, asked of real Git repositories."""

from __future__ import annotations

import os
import subprocess
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tinyops.errors import UnsafePlan
from tinyops.reconcile.descent import check_descends
from tinyops.specs.gates import LimitOverride

DIGEST = "sha256:" + "d" * 64
TODAY = date(2026, 11, 29)
NAMES = {f"GIT_{role}_{part}": "mia" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
LOCAL: dict[str, str] = {}
CI = {"CI": "true"}


class Checkout:
    def __init__(self, root: Path, specs: str = "") -> None:
        self.root, self.specs = root, root / specs
        (self.specs / "specs").mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        env = {**os.environ, **NAMES, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        done = subprocess.run(["git", *arguments], cwd=self.root, env=env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        (self.specs / "specs/a.yaml").write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--message", text)
        return self.git("rev-parse", "HEAD")

    def check(self, released: str | None, environment: dict[str, str] = LOCAL, *overrides: LimitOverride) -> Any:
        manifest = SimpleNamespace(tag="v4", commit=released)
        spec = SimpleNamespace(overrides=overrides)
        project = SimpleNamespace(document=SimpleNamespace(spec=spec))
        world: Any = SimpleNamespace(
            root=self.specs,
            manifest=manifest,
            release=SimpleNamespace(digest=DIGEST),
            repository=SimpleNamespace(project=project),
        )
        return check_descends(world, TODAY, environment)

    def refused(self, released: str | None, environment: dict[str, str] = LOCAL, *overrides: LimitOverride) -> str:
        with pytest.raises(UnsafePlan) as caught:
            self.check(released, environment, *overrides)
        return str(caught.value)


@pytest.fixture
def made(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "fleet")


def override(**fields: Any) -> LimitOverride:
    value = {"limit": "history", "release": DIGEST, "reason": "rewritten on purpose", "author": "mia"}
    return LimitOverride(**{**value, "until": TODAY, **fields})


def test_the_released_commit_its_descendants_and_merges_of_it(made: Checkout) -> None:
    first = made.commit("1")
    assert made.check(first) == ()
    made.commit("2")
    assert made.check(first) == ()
    made.git("checkout", "--quiet", "-b", "side", first)
    side = made.commit("3")
    assert "is neither that commit nor a descendant" in made.refused(made.git("rev-parse", "main"))
    made.git("checkout", "--quiet", "main")
    made.git("merge", "--quiet", "--strategy=ours", "--no-edit", "side")
    assert made.check(side) == ()
    made.git("checkout", "--quiet", "--detach")
    assert made.check(side) == ()


def test_going_back_is_refused_and_says_how_it_is_done(made: Checkout) -> None:
    first = made.commit("1")
    second = made.commit("2")
    made.git("reset", "--quiet", "--hard", first)
    said = made.refused(second)
    assert f"v4 was released from commit {second[:12]}, and {first[:12]} is neither" in said
    assert "git revert" in said and "limit: history" in said and DIGEST in said


def test_nothing_to_compare_with(made: Checkout, tmp_path: Path) -> None:
    made.commit("1")
    assert made.check(None) == ()
    assert made.check(None, CI) == ()
    outside = Checkout.__new__(Checkout)
    outside.root = outside.specs = tmp_path / "plain"
    outside.root.mkdir()
    assert outside.check(None, CI) == ()
    assert "is no Git checkout" in outside.refused("a" * 40)


def test_a_commit_that_nobody_knows(made: Checkout) -> None:
    made.commit("1")
    said = made.refused("a" * 40)
    assert "which this checkout does not know" in said and "git fetch" in said


def test_a_branch_without_a_commit(made: Checkout) -> None:
    assert "no commit yet" in made.refused("a" * 40)


def test_shallow_clones(made: Checkout, tmp_path: Path) -> None:
    released = made.commit("1")
    for number in range(2, 6):
        made.commit(str(number))
    clone = Checkout.__new__(Checkout)
    clone.root = clone.specs = tmp_path / "clone"
    made.git("clone", "--quiet", "--depth=2", f"file://{made.root}", str(clone.root))
    assert "this shallow clone does not reach back to" in clone.refused(released)
    assert "fetch-depth: 0" in clone.refused(released)
    assert clone.check(made.git("rev-parse", "HEAD~1")) == (), "as far as it reaches it is enough"
    clone.git("fetch", "--quiet", "--depth=1", "origin", released)
    assert "cannot be told in a shallow clone" in clone.refused(released)
    clone.git("fetch", "--quiet", "--unshallow")
    assert clone.check(released) == ()


@pytest.mark.parametrize("specs", ["", "deep/fleet"])
def test_in_ci_files_are_as_their_commit_has_them(tmp_path: Path, specs: str) -> None:
    made = Checkout(tmp_path / "repo", specs)
    (made.specs / "models").mkdir()
    (made.specs / "models/net.py").write_text("1")
    first = made.commit("1")
    for name in ("note.txt", "built/x", "elsewhere/specs/a.yaml"):
        (made.specs / name).parent.mkdir(parents=True, exist_ok=True)
        (made.specs / name).write_text("left by a job")
    assert made.check(first, CI) == (), "what nobody reads"
    for name in ("specs/new line\n.yaml", "models/net.py", "specs/a.yaml"):
        path = made.specs / name
        before = path.read_bytes() if path.exists() else None
        path.write_text("other")
        assert "differ from the commit" in made.refused(first, CI), name
        assert made.check(first, {"CI": "false"}) == ()
        path.unlink() if before is None else path.write_bytes(before)
    assert made.check(first, CI) == ()
    (made.specs / "specs/a.yaml").unlink()
    assert "specs/a.yaml differ" in made.refused(first, CI)


def test_a_checkout_that_git_does_not_read(made: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made.commit("1")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    said = made.refused(first)
    assert "Git does not read this checkout" in said and "safe.directory" in said
    assert "safe.directory" in made.refused(None, CI)


def test_an_override_lifts_it_once_by_name(made: Checkout) -> None:
    made.commit("1")
    lifted = override()
    assert made.check("a" * 40, CI, lifted) == (lifted,)
    for wrong in (override(release="sha256:" + "e" * 64), override(until=date(2026, 11, 28)), override(fleet="wrist")):
        assert "does not know" in made.refused("a" * 40, CI, wrong)
    made.git("reset", "--quiet", "--soft", "HEAD")
    assert made.check(made.git("rev-parse", "HEAD"), CI, lifted) == (), "not used where it is not needed"
