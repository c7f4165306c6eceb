"""The artifact store in a project: a folder or a URL, no credential where others read it; each fault at its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.projects import DESK, FINISHED, PROJECT, Repository, repository
from tinyops.boards import load_catalog
from tinyops.errors import Problem, SpecError, ToolError
from tinyops.reconcile.storing import open_store, refuse_fleeting_releases, store_folder
from tinyops.reconcile.world import World
from tinyops.scaffold import scaffold, write_scaffold
from tinyops.specs import load_repository
from tinyops.specs.store_rules import is_url

CATALOG = load_catalog()
URL = "../.tinyops/store"
LINE = "  artifacts: {url: ../.tinyops/store}"
assert LINE in PROJECT


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Repository]:
    yield repository(tmp_path / "bench", FINISHED, DESK)


def problems(bench: Repository) -> list[Problem]:
    try:
        load_repository(bench.root, catalog=CATALOG)
    except SpecError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("s3://ana:canary-7@bucket/x", 20, "holds a user or a password: specs hold none"),
        ("s3://ana@bucket/x", 20, "holds a user or a password: specs hold none"),
        ("sftp://ana:canary-7@server", 20, "holds a user or a password: specs hold none"),
        ("s3://bucket/x?sig=canary-7", 20, "such a URL has no query, no fragment and no spaces"),
        ("s3://bucket/x#part", 20, "such a URL has no query, no fragment and no spaces"),
        ("simplecache::s3://bucket", 20, "simplecache::s3://bucket: is not one URL such as s3://bucket/prefix"),
        ("s3:bucket", 20, "s3:bucket: is not one URL"),
        ("S3://bucket", 20, "S3://bucket: is not one URL"),
        ("s3:///x", 20, "s3:///x: names no bucket or server"),
        ("file://relative/store", 20, "file://relative/store: is not file:///absolute/path"),
        ("file:///", 20, "file:///: is not file:///absolute/path"),
        ("s3://bucket/../other", 20, "leads upwards"),
        ("s3://bucket/x, options: {secret: canary-7}", 53, "secret looks like a credential: specs hold none"),
        ("s3://bucket/x, options: {sas_token: canary-7}", 56, "sas_token looks like a credential"),
        ("s3://bucket/x, options: {endpoint_url: 7}", 59, "must be text, not 7"),
        ("s3://bucket/x, key: {secret: STORE_KEY}", 40, "needs `trusted`, the file of public keys"),
        ("s3://bucket/x, trusted: ../data/shakes.index", 44, "needs `key`, the secret that signs records"),
        ("s3://bucket/x, key: {secret: K}, trusted: no.pem", 62, "no.pem does not exist"),
        ("../store, options: {endpoint_url: x}", 30, "is of a URL, and the store is a folder"),
        ("../store, credentials: {secret: K}", 30, "is of a URL, and the store is a folder"),
    ],
)
def test_a_fault_is_named_at_its_place(bench: Repository, text: str, column: int, words: str) -> None:
    bench.edit("specs/project.yaml", URL, f'"{text}"' if "#" in text or "::" in text else text)
    (found,) = problems(bench)
    assert found.message.startswith(words) or words in found.message
    assert (found.file.endswith("specs/project.yaml"), found.line, found.column) == (True, 6, column)
    assert "canary-7" not in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket",
        "s3://bucket/some/prefix",
        "gs://bucket/x",
        "sftp://server/x",
        "file:///var/cache/tinyops",
        "memory://x",
        's3://bucket/x, options: {endpoint_url: "https://minio.acme.example"}, credentials: {secret: STORE}',
        "s3://bucket/x, key: {secret: K}, trusted: ../data/shakes.index",
        "../store, key: {secret: K}, trusted: ../data/shakes.index",
        "../a@b",
    ],
)
def test_what_is_right_is_accepted(bench: Repository, text: str) -> None:
    bench.edit("specs/project.yaml", URL, text)
    assert problems(bench) == []


def test_a_folder_is_a_folder() -> None:
    assert [is_url(text) for text in ("../store", "/var/store", "store", "a/b:c", "memory://x", "s3:x")] == [
        *[False] * 4,
        *[True] * 2,
    ]


def test_a_url_is_worked_with_in_a_folder_of_this_machine(bench: Repository) -> None:
    assert store_folder(load_repository(bench.root, catalog=CATALOG)).root == bench.root / ".tinyops" / "store"
    bench.edit("specs/project.yaml", URL, "memory://bench")
    store = open_store(load_repository(bench.root, catalog=CATALOG))
    assert store.root == bench.root / ".tinyops" / "store"
    assert store.shared is not None
    assert store.shared.remote.url == "memory://bench"


def test_ci_may_release_where_the_example_and_a_new_repository_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their folder lies in the checkout, and they say so: `make demo` runs in CI, and so does a scaffold's workflow."""
    monkeypatch.setenv("CI", "true")
    write_scaffold(tmp_path, scaffold("mine", CATALOG))
    for root in (Path(__file__).parents[3], tmp_path):
        refuse_fleeting_releases(load_repository(root, catalog=CATALOG))
        text = (root / "specs" / "project.yaml").read_text()
        assert text.count(", ephemeral: true") == 1
    (tmp_path / "specs" / "project.yaml").write_text(text.replace(", ephemeral: true", ""))
    with pytest.raises(SpecError, match="lies in the checkout, and CI is set"):
        refuse_fleeting_releases(load_repository(tmp_path, catalog=CATALOG))
    monkeypatch.setenv("CI", "")
    refuse_fleeting_releases(load_repository(tmp_path, catalog=CATALOG))


def test_who_only_looks_needs_no_credentials(bench: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORE_CREDENTIALS", raising=False)
    bench.edit("specs/project.yaml", URL, "memory://bench, credentials: {secret: STORE_CREDENTIALS}")
    repository_ = load_repository(bench.root, catalog=CATALOG)
    with pytest.raises(ToolError, match="secret STORE_CREDENTIALS is nowhere to be found"):
        open_store(repository_)
    world = World(repository_, None, CATALOG, None, None)  # type: ignore[arg-type]
    assert world.store.shared is None
    assert world.store.root == bench.root / ".tinyops" / "store"
