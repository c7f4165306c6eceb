"""An artifact store that many share: two checkouts, a fork's run, poisoned records, failures, what CI refuses."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.projects import DESK, FINISHED, KEY, Repository, locked, repository
from fakes.s3 import BUCKET, server
from tinyops.files import canonical_json, digest_file
from tinyops.manifest.envelope import Envelope
from tinyops.store.folder import object_name
from tinyops.store.records import read_stored

pytestmark = pytest.mark.build
PROJECT_FILE = "specs/project.yaml"
STEPS = 6  # collect, squeeze; compile, image, firmware and twin of one board
GITHUB = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/wearables"}
MAIN = {
    **GITHUB,
    "GITHUB_RUN_ID": "8",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_ACTOR": "ana",
    "GITHUB_REF": "refs/heads/main",
}
FORK = {**GITHUB, "GITHUB_RUN_ID": "7", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_ACTOR": "mallory"}


def make(root: Path, url: str) -> Repository:
    """Releases lie outside the checkout, the store behind a URL."""
    made = locked(repository(root / "bench", FINISHED, DESK))
    made.edit(PROJECT_FILE, "../.tinyops/releases", "../../releases")
    made.edit(PROJECT_FILE, "../.tinyops/store", url)
    shutil.copy(made.root / ".tinyops" / "trusted.pem", made.root / "specs" / "trusted.pem")
    return made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout `bench` that was applied, its `releases`, and `far`, the store that it shared."""
    root = tmp_path_factory.mktemp("shared")
    made = make(root, f"file://{root}/far")
    done = made.ok("apply")
    assert len(done.built) == STEPS
    assert "warning" not in done.err
    return root


@pytest.fixture
def fresh(shared: Path, tmp_path: Path) -> Iterator[Repository]:
    """The same commit checked out elsewhere: no store, no release, the shared store as it was."""
    bench = Repository(shared / "bench").copy(tmp_path / "bench")
    bench.clear_store()
    shutil.copytree(shared / "far", tmp_path / "far")
    bench.edit(PROJECT_FILE, f"file://{shared}/far", f"file://{tmp_path}/far")
    yield bench


def far_files(bench: Repository) -> dict[str, bytes]:
    far = bench.root.parent / "far"
    return {p.relative_to(far).as_posix(): p.read_bytes() for p in far.rglob("*") if p.is_file()}


def released(root: Path) -> Any:
    """What a release says of its fleets."""
    manifest = json.loads((root / "releases" / "latest" / "manifest.json").read_bytes())["signed"]
    return manifest["fleets"]


def poison(bench: Repository, folder: Path, kind: str) -> str:
    """Every record of a kind now names another object, as a fork's run would write it that has no key."""
    for path in (folder / "records").glob("*.json"):
        stored, _ = read_stored(path.read_bytes(), where=str(path))
        if stored.record.step.startswith(f"{kind}:"):
            signed = stored.to_json()
            signed["run"] |= {"ci": "github", "id": "8", "repository": "acme/wearables", "event": "push"}
            outputs = signed["record"]["outputs"]
            outputs["golden.bin"] = outputs["int8.tflite"]
            path.chmod(0o644)
            path.write_bytes(Envelope(signed, canonical_json(signed), ()).to_bytes())
            return str(outputs["golden.bin"]["digest"])
    raise AssertionError(f"no record of a {kind} step")


# -- sharing -----------------------------------------------------------------------------------


def test_another_checkout_builds_nothing_and_releases_the_same(fresh: Repository, shared: Path) -> None:
    done = fresh.ok("apply", **MAIN)
    assert done.built == []
    assert "warning" not in done.err
    assert released(fresh.root.parent) == released(shared)
    assert fresh.ok("plan", "--detailed-exitcode").code == 0


def test_a_forks_run_without_the_key_takes_what_is_signed_and_puts_nothing_there(fresh: Repository) -> None:
    shutil.rmtree(fresh.root / ".tinyops" / "secrets")
    before = far_files(fresh)
    fresh.edit("specs/fleets.yaml", "  model: tiny\n", "  model: tiny\n  security_counter: 1\n")
    assert fresh.ok("plan", "--build", **FORK).built == []
    fresh.edit("specs/fleets.yaml", "kind: stream, port: serial", "kind: replay, file: ../data/rest-00.csv")
    changed = fresh.ok("plan", "--build", **FORK)
    assert changed.built == ["build firmware desk/linux"]  # and the same came out, so no twin
    assert changed.err.count("warning: the key that signs records is not here") == 1
    assert far_files(fresh) == before
    assert fresh.ok("plan", "--build", **FORK).built == [], "its own run looks at what it built"
    other = fresh.ok("plan", "--build", **{**FORK, "GITHUB_RUN_ID": "9"})
    assert other.built == changed.built


@pytest.mark.parametrize("where", ["far", "here"])
def test_a_poisoned_record_of_a_forks_run_is_not_applied(fresh: Repository, shared: Path, where: str) -> None:
    """In the shared store, and in the folder of this machine, which CI may have out of a cache."""
    here = fresh.root / ".tinyops" / "store"
    if where == "here":
        shutil.copytree(fresh.root.parent / "far", here)
        shutil.rmtree(fresh.root.parent / "far")
    bad = poison(fresh, fresh.root.parent / "far" if where == "far" else here, "squeeze")
    done = fresh.ok("apply", **MAIN)
    assert "quantise tiny/int8" in done.built
    assert "made by run 8 of acme/wearables on push that no trusted key signed: not taken" in done.err
    assert released(fresh.root.parent) == released(shared)
    assert released(fresh.root.parent)["desk"]["boards"]["linux"]["golden"]["digest"] != bad


def test_records_may_have_a_key_of_their_own(fresh: Repository) -> None:
    fresh.ok("keys", "new", "STORE_KEY", "--trust", "specs/store.pem")
    trusted = (fresh.root / ".tinyops" / "trusted.pem").read_bytes()
    assert (fresh.root / "specs" / "store.pem").read_bytes() not in trusted, "it signs no release"
    url = f"file://{fresh.root.parent}/far"
    fresh.edit(PROJECT_FILE, url, f"{url}, key: {{secret: STORE_KEY}}, trusted: store.pem")
    assert len(fresh.ok("apply", **MAIN).built) == STEPS, "what the release's key signed counts no more"
    fresh.clear_store()
    shutil.rmtree(fresh.root.parent / "releases")
    assert fresh.ok("apply", **MAIN).built == []


def test_a_store_that_fails_costs_a_warning_and_no_release(fresh: Repository) -> None:
    fresh.edit(PROJECT_FILE, f"file://{fresh.root.parent}/far", "file:///dev/null/far")
    done = fresh.run("apply", "--json", **MAIN)
    assert (done.code, done.json["published"]) == (0, True)
    lines = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 2
    assert "nothing more is read from it in this run" in lines[0]
    assert "nothing more is put there in this run" in lines[1]


def check_whole(far: Path) -> int:
    """Every record in the store names objects that are there, whole. Returns how many records there are."""
    records = [path for path in (far / "records").glob("*.json") if not path.name.startswith(".")]
    for path in records:
        for artifact in read_stored(path.read_bytes(), where=str(path))[0].record.outputs.values():
            assert digest_file(far / object_name(artifact.digest)) == artifact.digest, path
    return len(records)


def test_killed_at_any_moment_the_shared_store_is_whole(fresh: Repository) -> None:
    far = fresh.root.parent / "far"
    shutil.rmtree(far)
    chance = random.Random(11)  # noqa: S311
    counts = []
    for number in range(8):
        child = fresh.start("apply", **MAIN)
        time.sleep(0.6 + 0.25 * number + 0.4 * chance.random())
        child.kill()
        child.communicate(timeout=60)
        counts.append(check_whole(far))
    assert counts == sorted(counts)
    fresh.ok("apply", **MAIN)
    assert check_whole(far) == STEPS
    fresh.clear_store()
    shutil.rmtree(fresh.root.parent / "releases")
    assert fresh.ok("apply", **MAIN).built == []


def test_a_store_on_s3_with_credentials_that_stay_secret(tmp_path: Path) -> None:
    with server() as s3:
        bench = make(tmp_path, f"s3://{BUCKET}/bench")
        env = {**MAIN, **s3.environment(), KEY: (bench.root / ".tinyops" / "secrets" / KEY).read_text()}
        assert len(bench.ok("apply", **env).built) == STEPS
        bench.clear_store()
        shutil.rmtree(tmp_path / "releases")
        url = f"s3://{BUCKET}/bench"
        bench.edit(
            PROJECT_FILE,
            url,
            f'{url}, options: {{endpoint_url: "{s3.endpoint}"}}, credentials: {{secret: STORE_CREDENTIALS}}',
        )
        secret = json.dumps({"key": "ana", "secret": "canary-7"})
        done = bench.ok("apply", **{**MAIN, "STORE_CREDENTIALS": secret})
        assert (done.built, "warning" in done.err) == ([], False)
        gone = bench.run("gc", "--remote", "--json", **{**MAIN, "STORE_CREDENTIALS": secret})
        assert (gone.code, gone.json["remote"]["files"]) == (0, 0)
        files = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
        assert not [1 for data in [*files, done.err.encode(), done.out.encode()] if b"canary-7" in data]
        wrong = bench.run("apply", **{**MAIN, "STORE_CREDENTIALS": "canary-7"})
        assert wrong.code == 0, "there is nothing to build, so nobody asked the store"
        bench.clear_store()
        wrong = bench.run(
            "plan", "--build", "--replace", "twin:desk/linux", **{**MAIN, "STORE_CREDENTIALS": "canary-7"}
        )
        assert wrong.code == 70
        assert "secret STORE_CREDENTIALS (environment variable STORE_CREDENTIALS): not a JSON object" in wrong.err
        assert "canary-7" not in wrong.err + wrong.out


# -- collecting --------------------------------------------------------------------------------


def test_after_gc_there_is_nothing_to_do(fresh: Repository) -> None:
    fresh.ok("apply", **MAIN)
    fresh.edit("specs/fleets.yaml", "kind: stream, port: serial", "kind: replay, file: ../data/rest-00.csv")
    fresh.ok("apply", **MAIN)
    before = far_files(fresh)
    said = fresh.ok("gc", "--dry-run", "--keep-days", "0", "--json").json
    assert set(said["here"]["kinds"]) >= {"firmware"}
    assert "collect" not in said["here"]["kinds"]
    done = fresh.ok("gc", "--keep-days", "0")
    assert done.out.startswith(f"this machine: {said['here']['files']} files, ")
    assert " bytes dropped.\n" in done.out
    assert fresh.ok("gc", "--remote", "--keep-days", "1").out.endswith("/far: nothing to drop.\n")
    assert far_files(fresh) == before
    assert fresh.ok("apply", **MAIN).out.startswith("No changes.")
    assert fresh.ok("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--remote", "--keep-days", "0"], "others may be using that store"),
        (["--keep-days", "soon"], "'soon' is not a number of days"),
    ],
)
def test_gc_is_careful_with_what_others_use(fresh: Repository, arguments: list[str], words: str) -> None:
    done = fresh.run("gc", *arguments)
    assert done.code == 64
    assert words in done.err


def test_a_folder_has_no_remote_part(tmp_path: Path) -> None:
    bench = locked(repository(tmp_path / "bench", FINISHED, DESK))
    done = bench.run("gc", "--remote")
    assert (done.code, "artifacts.url is a folder" in done.err) == (64, True)
    assert bench.ok("gc").out == "this machine: nothing to drop.\n"


# -- releases in the checkout ------------------------------------------------------------------


def test_ci_does_not_release_into_its_own_checkout(fresh: Repository) -> None:
    fresh.edit(PROJECT_FILE, "../../releases", "../.tinyops/releases")
    refused = fresh.run("apply", **MAIN)
    assert refused.code == 65
    assert "specs/project.yaml:5:37: ../.tinyops/releases: lies in the checkout, and CI is set" in refused.err
    assert "ephemeral: true" in refused.err
    assert not fresh.releases.exists()
    assert fresh.run("plan", **MAIN).code == 0
    inner = fresh.root.parent / ".git"
    fresh.edit(PROJECT_FILE, "../.tinyops/releases", "../../releases")
    inner.mkdir()  # the specs lie in a folder of a larger checkout
    assert fresh.run("apply", **MAIN).code == 65
    inner.rmdir()
    fresh.edit(PROJECT_FILE, "path: ../../releases", "path: ../.tinyops/releases, ephemeral: true")
    assert fresh.ok("apply", **MAIN).out.startswith("Published v1")
    fresh.edit(PROJECT_FILE, ", ephemeral: true", "")
    assert fresh.ok("apply", CI="false").out.startswith("No changes.")
