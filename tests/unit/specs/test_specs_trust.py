"""Who signs, as the project says it: defaults, and refusals at their place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.projects import DESK, FINISHED, PROJECT, Repository, repository
from tinyops.boards import load_catalog
from tinyops.errors import SpecError
from tinyops.specs import load_repository
from tinyops.specs.model import ProjectSpec
from tinyops.specs.trust_rules import ROOT_FILE

CATALOG = load_catalog()
IMAGE = "    image: {by: ci, key: {secret: TINYOPS_IMAGE_KEY}}\n"
HOST = "  metadata: {kind: directory, path: ../.tinyops/metadata}\n"
BRANCH = "  metadata: {kind: branch, repository: a/b}\n"
ONLINE = "    online: {key: {secret: TINYOPS_ONLINE_KEY}}\n"
SIGNING = "  signing:\n"
assert PROJECT.endswith(SIGNING + IMAGE)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Repository]:
    yield repository(tmp_path / "bench", FINISHED, DESK)


def write(bench: Repository, signers: str = ONLINE, host: str = HOST) -> None:
    text = PROJECT.replace(SIGNING, host + SIGNING) + signers
    (bench.root / "specs" / "project.yaml").write_text(text)


def spec(bench: Repository) -> ProjectSpec:
    return load_repository(bench.root, catalog=CATALOG).project.document.spec


def refusal(bench: Repository) -> tuple[int, int, str]:
    with pytest.raises(SpecError) as caught:
        load_repository(bench.root, catalog=CATALOG)
    (problem,) = caught.value.problems
    return problem.line, problem.column, f"{problem.message}\n{problem.hint}"


def write_root(bench: Repository, threshold: object) -> None:
    path = bench.root / ROOT_FILE
    path.parent.mkdir()
    path.write_text(json.dumps({"signed": {"roles": {"targets": {"threshold": threshold}}}}))


def test_a_project_without_metadata_needs_no_other_key(bench: Repository) -> None:
    assert spec(bench).metadata is None
    assert spec(bench).signing.targets.by == "ci"


def test_lives_have_defaults(bench: Repository) -> None:
    write(bench)
    expiry = spec(bench).metadata.expiry
    assert (expiry.root_d, expiry.targets_d, expiry.snapshot_d, expiry.timestamp_d) == (365, 365, 7, 3)


def test_a_branch_and_people(bench: Repository) -> None:
    host = "  metadata: {kind: branch, repository: acme/pages, url: https://acme.github.io/pages}\n"
    write(bench, ONLINE + "    targets: {by: people, threshold: 2}\n", host)
    found = spec(bench)
    assert (found.metadata.branch, found.metadata.url) == ("gh-pages", "https://acme.github.io/pages")
    assert (found.signing.targets.by, found.signing.targets.threshold) == ("people", 2)


@pytest.mark.parametrize(
    ("signers", "host", "at", "words"),
    [
        ("    targets: {by: people}\n", "", "targets:", "targets: signs metadata, and the project names no host"),
        ("", HOST, "metadata: {kind", "metadata is signed again on schedule: signing has no `online` key"),
        (ONLINE + "    targets: {by: people, key: {secret: K}}\n", HOST, "{secret: K}", "people sign with keys of"),
        (ONLINE + "    targets: {threshold: 2}\n", HOST, "2}", "CI signs with one key"),
        (ONLINE + "    targets: {by: people, threshold: 0}\n", HOST, "0}", "must be at least 1"),
        (ONLINE, HOST.replace("../.tinyops/metadata", "s3://x"), "s3://x", "URLs are not part of"),
        (ONLINE, HOST.replace("}", ", url: ftp://x}"), "ftp://x", "an address reads https://"),
        (ONLINE, HOST.replace("}", ", expiry: {root_d: 0}}"), "0}}", "must be at least 1"),
        (ONLINE, BRANCH.replace("a/b", "'https://a:b@x/y'"), "'https", "without a password"),
        (ONLINE, BRANCH.replace("a/b", "'--upload-pack=x'"), "'--up", "a repository reads owner/name"),
        (ONLINE, BRANCH.replace("a/b", "'ext::sh -c x'"), "'ext", "a repository reads owner/name"),
        (ONLINE, BRANCH.replace("a/b", "a/b, branch: --x"), "--x", "a branch is letters"),
        (ONLINE, BRANCH.replace("a/b", "a/b, branch: a..b"), "a..b", "a branch is letters"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(bench: Repository, signers: str, host: str, at: str, words: str) -> None:
    write(bench, signers, host)
    before = (bench.root / "specs" / "project.yaml").read_text().partition(at)[0]
    line, column, text = refusal(bench)
    assert words in text
    assert (line, column) == (before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)


@pytest.mark.parametrize(("threshold", "said"), [(2, None), (1, "signed by 2 here, by 1 in specs/trust/root.json")])
def test_specs_and_root_agree_how_many_sign(bench: Repository, threshold: int, said: str | None) -> None:
    write(bench, ONLINE + "    targets: {by: people, threshold: 2}\n")
    write_root(bench, threshold)
    if said is None:
        assert spec(bench).signing.targets.threshold == 2
    else:
        assert refusal(bench)[:2] == (11, 38)
        assert said in refusal(bench)[2]


def test_a_root_that_is_none_is_said(bench: Repository) -> None:
    write(bench)
    write_root(bench, "two")
    assert "is not a root of TUF metadata" in refusal(bench)[2]


def test_images_are_signed_by_ci(bench: Repository) -> None:
    write(bench, "", "")
    path = bench.root / "specs" / "project.yaml"
    path.write_text(path.read_text().replace("by: ci", "by: people"))
    assert "let people sign `targets`" in refusal(bench)[2]
