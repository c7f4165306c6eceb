"""Releases that people sign, from the command line and through the workflows; what devices are offered meanwhile."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.test_e2e_workflows import Bench, log_of, scaffolded, went_well
from fakes.github_discussions import discussing
from fakes.github_server import GitHub, serving_github
from fakes.projects import Ended, Repository, applied_finished
from fakes.release_stores import check_exchanges
from fakes.trusted import client
from fakes.web import serving
from tinyops.boards import load_catalog
from tinyops.cli import main
from tinyops.scaffold import scaffold

pytestmark = pytest.mark.build

PROJECT, FLEETS = "specs/project.yaml", "specs/fleets.yaml"
SIGNERS = """\
    online: {key: {secret: TINYOPS_ONLINE_KEY}}
    targets: {by: people, threshold: 2}
"""
HOST = "  metadata: {kind: directory, path: ../.tinyops/metadata}\n  signing:"
ENTRY = "entry-desk-linux.json"


def git(folder: Path, *argv: str) -> str:
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@example.org")
    done = subprocess.run(["git", *identity, *argv], cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


class Inside(Repository):
    """The same commands in this process, for a test that gives many."""

    def run(self, *arguments: str | Path, timeout_s: float = 120, **env: str) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        return Ended(code, out.getvalue(), err.getvalue())


def with_people(made: Repository, host: str = HOST) -> None:
    """Two people with keys of their own; the root is signed by one of a third."""
    made.edit(PROJECT, "  signing:", host)
    made.write(PROJECT, (made.root / PROJECT).read_text() + SIGNERS)
    for name in ("ANA_KEY", "BEN_KEY"):
        made.write(f"{name}.pem", made.ok("trust", "key", name).out)
    made.ok("trust", "init", "--targets", "ANA_KEY.pem", "--targets", "BEN_KEY.pem")


def fetched(folder: Path, client_folder: Path, root: bytes) -> bytes | None:
    """An entry as the library's own updater finds it."""
    with serving(folder) as web:
        updater = client(web.url, client_folder, root)
        updater.refresh()
        info = updater.get_targetinfo(ENTRY)
        return Path(updater.download_target(info)).read_bytes() if info else None


def states(made: Repository) -> list[Any]:
    """What plan, show and apply say to programs."""
    apply, show = made.ok("apply", "--json").json["offered"], made.ok("show", "--json").json["offered"]
    return [made.ok("plan", "--json").json.get("awaiting"), show, {k: v for k, v in apply.items() if k != "changed"}]


def test_two_people_let_a_release_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Inside(applied_finished().copy(tmp_path / "bench").root)
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("CI", raising=False)  # its releases lie in the checkout
    monkeypatch.setenv("TINYOPS_CACHE", str(made.root / "cache"))
    with_people(made)
    metadata, root = made.root / ".tinyops/metadata", (made.root / "specs/trust/1.root.json").read_bytes()
    made.ok("trust", "sign")
    made.ok("trust", "publish")
    first = fetched(metadata, tmp_path / "client", root)
    assert first == (made.releases / "v1" / ENTRY).read_bytes()
    device = ("--store", made.releases, "--metadata", metadata, "--root", made.root / "specs/trust/1.root.json")
    poll = ("agent", "--once", "--json", *device, "--fleet", "desk", "--board", "linux", "--state", tmp_path / "device")
    assert made.ok(*poll).json["running"]["version"] == 1

    made.edit(FLEETS, "{name: tiny}\nspec:\n", "{name: tiny}\nspec:\n  squeeze: {prefer: size}\n")
    waiting = made.ok("apply")
    assert "v2 is awaiting 0 of 2: devices are offered v1 until enough people ran `tinyops trust sign`." in waiting.out
    counts = {"offered": 1, "signed": 0, "threshold": 2}
    assert states(made) == [{"version": 2, **counts}, {"state": "awaiting", **counts}, {"state": "awaiting", **counts}]
    assert (made.releases / "latest").readlink() == Path("v1")
    assert "v2 is awaiting 0 of 2" in made.ok("ci", "drift", "--dry-run").out
    assert fetched(metadata, tmp_path / "client", root) == first
    assert made.ok(*poll).json["running"]["version"] == 1

    shown = made.ok("trust", "sign", "--dry-run").out
    assert "offer v2 of bench" in shown and "desk/microbit: model sha256:" in shown and "Nothing was signed." in shown
    assert "Targets: 1 of 2 signatures: not offered yet." in made.ok("trust", "sign", "--key", "ANA_KEY").out
    assert "v2 is awaiting 1 of 2" in made.ok("plan").out
    assert "v2 is awaiting 1 of 2" in made.ok("trust", "publish").out
    made.ok("trust", "sign", "--key", "BEN_KEY")
    assert "v2 is signed by 2 of 2" in made.ok("show").out
    assert "No changes. Still released: v2\nDevices are offered v2.\n" in made.ok("apply").out
    assert made.ok("trust", "publish").out.endswith(": v2 is offered, as before.\n")
    assert states(made)[1:] == [{"state": "offered", "offered": 2}] * 2
    assert (made.releases / "latest").readlink() == Path("v2")
    assert fetched(metadata, tmp_path / "client", root) == (made.releases / "v2" / ENTRY).read_bytes()
    assert made.ok(*poll).json["running"]["version"] == 2
    assert made.ok("trust", "refresh", "--json").json == {"changed": False, "notes": [], "offered": 2}
    assert "The release is what the specs want. No device reports" in made.ok("ci", "drift", "--dry-run").out


def test_keys_are_missing_before_anything_is_built(tmp_path: Path) -> None:
    made = applied_finished().copy(tmp_path / "bench")
    made.edit(PROJECT, "  signing:", HOST)
    made.write(PROJECT, (made.root / PROJECT).read_text() + SIGNERS)
    made.edit(FLEETS, "{name: tiny}\nspec:\n", "{name: tiny}\nspec:\n  squeeze: {prefer: size}\n")
    no_root = made.run("apply")
    assert (no_root.code, no_root.built) == (65, [])
    assert "there is no root, so nobody could verify metadata" in no_root.err
    made.write("a.pem", made.ok("trust", "key", "ANA_KEY").out)
    assert made.run("trust", "init", "--targets", "a.pem").code == 64  # two must sign
    made.write("b.pem", made.ok("trust", "key", "BEN_KEY").out)
    made.ok("trust", "init", "--targets", "a.pem", "--targets", "b.pem")
    (made.root / ".tinyops/secrets/TINYOPS_ONLINE_KEY").unlink()
    no_key = made.run("apply")
    assert (no_key.code, no_key.built) == (70, [])
    assert "secret TINYOPS_ONLINE_KEY is nowhere to be found: it signs metadata" in no_key.err


@pytest.fixture
def github() -> Iterator[GitHub]:
    with serving_github() as running:
        discussing(running)
        yield running
        check_exchanges(running)
        assert running.leaks == []


def test_through_the_workflows_with_metadata_on_a_branch(tmp_path: Path, github: GitHub) -> None:
    """Ana and Ben commit their signatures; the schedule keeps what they signed young."""
    bench: Bench = scaffolded(tmp_path, github)
    secrets = bench.root / ".tinyops" / "secrets"
    pages = tmp_path / "pages.git"
    git(tmp_path, "init", "--quiet", "--bare", str(pages))
    with_people(bench.made, f"  metadata: {{kind: branch, repository: {pages}}}\n  signing:")
    bench.hub.secrets = {**bench.hub.secrets, "TINYOPS_ONLINE_KEY": (secrets / "TINYOPS_ONLINE_KEY").read_text()}
    people = {name: (secrets / name).read_text() for name in ("ANA_KEY", "BEN_KEY")}
    shutil.rmtree(bench.root / ".tinyops")
    workflow = scaffold("bench", load_catalog())[".github/workflows/metadata.yml"].decode()
    root = (bench.root / "specs/trust/1.root.json").read_bytes()
    bench.commit("first")
    first = bench.push()
    went_well(first)
    assert "v1 is awaiting 0 of 2: devices are offered nothing" in log_of(first)
    assert bench.github.state.latest is None

    def on(event: str) -> str:
        run = bench.hub.run(workflow, event, {"repository": {"default_branch": "main"}})
        went_well(run)
        return log_of(run)

    assert "Nothing is offered." in on("schedule")
    for name, said in (("ANA_KEY", "v1 is awaiting 1 of 2"), ("BEN_KEY", "v1 is offered.")):
        signed = bench.made.ok("trust", "sign", "--key", name, "--commit", **{name: people[name]}, **AUTHOR)
        assert "specs/trust/targets.json: written." in signed.out
        assert bench.git("show", "--stat", "--format=%s", "HEAD").startswith("Sign targets ")
        bench.git("push", "--quiet", "origin", "main")
        assert said in on("push")
    assert bench.github.state.latest_tag() == "v1"
    assert "nothing is old enough to be signed again" in on("schedule")

    git(tmp_path, "clone", "--quiet", "--branch", "gh-pages", str(pages), "site")
    entry = fetched(tmp_path / "site", tmp_path / "client", root)
    assert entry == bench.github.state.asset("v1", ENTRY).content
    assert json.loads(entry)["signed"]["version"] == 1
    assert git(tmp_path / "site", "log", "--format=%s") == "Offer v1"


AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ana"), ("EMAIL", "ana@example.org"))
}
