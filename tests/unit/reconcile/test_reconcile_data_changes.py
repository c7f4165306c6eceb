"""What a plan says of a changed index: exactly what differs from the index that was released, or nothing."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fakes.recorded import PROJECT, Repo, repo, rows
from tinyops.boards import load_catalog
from tinyops.cli import main
from tinyops.files import digest_file
from tinyops.plan import Action, Plan
from tinyops.plan.changes import Bound, Change
from tinyops.plan.findings import finding_lines
from tinyops.reconcile.data_changes import data_changes
from tinyops.specs.loader import load_repository

__all__ = ["repo"]
PLAN = Plan("wearables", 1, Bound("a", "b", "c", "d"), (Change("collect", "wrist", Action.UPDATE),), ())


@pytest.fixture
def released(repo: Repo) -> tuple[Repo, str, str]:
    """A repository after a release, whose index then changed: its commit, and the digest that was released."""
    (repo.root / "specs" / "project.yaml").write_text(PROJECT)
    for number in range(3):
        repo.json("add", "wrist", repo.file(f"{number}.csv", rows(number)), "--label", "rest")
    commit, digest = repo.commit(), digest_file(repo.index)
    repo.json("add", "wrist", repo.file("9.csv", rows(9)), "--label", "shake")
    repo.index.write_bytes(repo.index.read_bytes().replace(b",rest,", b",shake,", 1))
    return repo, commit, digest


def world(repo: Repo, commit: str | None, digest: str) -> SimpleNamespace:
    return SimpleNamespace(
        root=repo.root,
        repository=load_repository(repo.root, catalog=load_catalog()),
        manifest=SimpleNamespace(commit=commit),
        released_records={"collect:wrist": SimpleNamespace(sources={"index-0": digest})},
    )


def test_what_changed_is_said_in_a_line(released: tuple[Repo, str, str]) -> None:
    repo, commit, digest = released
    lines = list(finding_lines(data_changes(world(repo, commit, digest), PLAN)))  # type: ignore[arg-type]
    assert lines == [
        "  ~ note    data      wrist: changed: data/wrist.csv since the release: +1 recordings, 1 relabelled",
        f"        `tinyops data diff {commit[:12]} --dataset wrist` lists it",
    ]


@pytest.mark.parametrize("case", ["no commit", "unknown commit", "another index", "same index", "kept"])
def test_nothing_is_said_of_what_is_not_known(released: tuple[Repo, str, str], case: str) -> None:
    repo, commit, digest = released
    plan = PLAN if case != "kept" else replace(PLAN, changes=(replace(PLAN.changes[0], action=Action.KEEP),))
    digests = {"another index": "sha256:" + "0" * 64, "same index": digest_file(repo.index)}
    commits = {"no commit": None, "unknown commit": "0" * 40}
    found = data_changes(world(repo, commits.get(case, commit), digests.get(case, digest)), plan)  # type: ignore[arg-type]
    assert found == ()


def test_validate_names_the_line_of_a_wrong_index(released: tuple[Repo, str, str]) -> None:
    repo, _, _ = released
    assert main(["validate", "-C", str(repo.root)]) == 0
    repo.index.write_bytes(repo.index.read_bytes().replace(b",shake,", b",a/b,", 1))
    repo.capsys.readouterr()
    assert main(["validate", "-C", str(repo.root)]) == 65
    assert "wrist.csv:2:73: label: 'a/b' is no label" in repo.capsys.readouterr().err
