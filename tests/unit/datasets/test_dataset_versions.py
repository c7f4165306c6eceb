"""`tinyops data diff`, `fetch` and `push`: versions are commits, and files come from wherever their digests are."""

from dataclasses import replace
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from fakes.data_site import site
from fakes.recorded import Repo, repo, rows
from tinyops.datasets.difference import difference, sides, tally
from tinyops.datasets.index import IndexEntry
from tinyops.files import digest_bytes
from tinyops.specs.recorded import recorded_dataset

__all__ = ["repo"]


def entry(number: int, label: str = "rest", **fields: object) -> IndexEntry:
    return IndexEntry("sha256:" + f"{number:064x}", label, frames=100, format="take", **fields)  # type: ignore[arg-type]


# -- differences ---------------------------------------------------------------------------


def test_what_differs_is_said_by_kind() -> None:
    old = [entry(1), entry(2), entry(3, subject="eve"), entry(4, begin=0, end=50)]
    new = [entry(1), entry(2, "shake"), entry(3, subject="bob"), entry(4, begin=0, end=60), entry(5)]
    found = difference(old, new)
    assert [e.id for e in found.added] == [entry(4, begin=0, end=60).id, entry(5).id]
    assert [e.id for e in found.removed] == [entry(4, begin=0, end=50).id]
    assert [(c.field, c.old, c.new) for c in found.changed] == [("label", "rest", "shake"), ("subject", "eve", "bob")]
    assert found.cut == (entry(4).sha256,)
    assert found.summary() == "+2 recordings, -1, 1 relabelled, 1 of another subject, 1 cut otherwise"
    assert tally(found, old, new, "label") == [
        {"name": "rest", "before": 4, "after": 4, "added": 2, "removed": 1, "moved_in": 0, "moved_out": 1},
        {"name": "shake", "before": 0, "after": 1, "added": 0, "removed": 0, "moved_in": 1, "moved_out": 0},
    ]


def test_figures_alone_are_no_difference() -> None:
    found = difference([entry(1)], [replace(entry(1), rate_hz=9.9, clipped=3)])
    assert found.empty and found.summary() == ""


def test_recordings_that_change_sides_are_named(repo: Repo) -> None:
    spec = recorded_dataset(repo.root, "wrist").spec
    by_subject = spec.model_copy(update={"split": spec.split.model_copy(update={"by": "subject", "test": ("s1",)})})
    old = [entry(n, ("rest", "shake")[n % 2], subject=f"s{n % 3}") for n in range(12)]
    new = [replace(e, subject="s2") if e.subject == "s1" and e.label == "rest" else e for e in old]
    found = difference(old, new, by_subject)
    assert {(c.old, c.new) for c in found.resplit} == {("test", "train")}
    assert len(found.resplit) == sum(e.subject == "s1" and e.label == "rest" for e in old)
    assert set(sides(old, by_subject).values()) == {"test", "train"}


def test_two_commits_of_a_repository(repo: Repo) -> None:
    repo.commit()
    for number in range(3):
        repo.json("add", "wrist", repo.file(f"{number}.csv", rows(number)), "--label", "rest")
    assert repo.json("diff")["datasets"]["wrist"]["summary"] == "+3 recordings"
    repo.commit()
    assert repo.json("diff")["datasets"]["wrist"]["summary"] == ""
    repo.index.write_bytes(repo.index.read_bytes().replace(b",rest,", b",shake,", 1))
    assert repo.run("diff", "--detailed-exitcode")[0] == 2
    value = repo.json("diff", "HEAD~1", "HEAD")["datasets"]["wrist"]
    assert (value["before"], value["after"], len(value["added"])) == (0, 3, 3)
    code, out, _ = repo.run("diff", "HEAD", ".", "--dataset", "wrist")
    assert code == 0 and "wrist: 3 → 3 recordings: 1 relabelled." in out and "label rest → shake" in out
    for name in ("nope", "--exec=x", "-x"):
        assert repo.run("diff", name, ".")[0] == 64


def test_two_files(repo: Repo, tmp_path: Path) -> None:
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    one.write_text("sha256,label,file\n" + "ab" * 32 + ",rest,a.csv\n")
    two.write_text("sha256,label,file\n")
    assert repo.json("diff", one, two)["datasets"]["two.csv"]["summary"] == "-1 recordings"
    two.write_text("sha256,label\nx,y\n")
    code, _, err = repo.run("diff", one, two)
    assert code == 65 and "two.csv:2:1: sha256: 'x' is not a sha256" in err


# -- fetch and push ------------------------------------------------------------------------


@pytest.fixture
def filled(repo: Repo) -> Repo:
    """Three recordings, with their files in a folder of their own."""
    MemoryFileSystem.store.clear()
    for number in range(3):
        repo.json("add", "wrist", repo.file(f"{number}.csv", rows(number)), "--label", "rest")
    return repo


def lose(repo: Repo) -> None:
    (repo.root / "data" / "wrist").rename(repo.root.parent / "lost")


def whole(repo: Repo) -> bool:
    folder = repo.root / "data" / "wrist"
    return all(digest_bytes((folder / e.path).read_bytes()) == e.sha256 for e in repo.entries)


def test_files_are_found_in_a_folder_by_their_digests(filled: Repo) -> None:
    lose(filled)
    code, _, err = filled.run("fetch", "wrist")
    assert code == 65 and "3 of 3 files are missing" in err and "data fetch wrist --from DIR|URL" in err
    (filled.root.parent / "inbox" / "2.csv").unlink()
    code, out, _ = filled.run("fetch", "wrist", "--from", filled.root.parent / "inbox")
    assert code == 69 and "2 files fetched" in out and "missing: " in out and "no file with this digest" in out
    value = filled.json("fetch", "wrist", "--from", filled.root.parent / "lost")
    assert (value["fetched"], value["missing"]) == (1, [])
    assert whole(filled)


def test_files_are_fetched_from_a_mirror_on_the_web(filled: Repo) -> None:
    lose(filled)
    with site() as mirror:
        for e in filled.entries:
            mirror.files[f"/m/{e.path}"] = (filled.root.parent / "lost" / e.path).read_bytes()
        bad = filled.entries[1]
        good, mirror.files[f"/m/{bad.path}"] = mirror.files[f"/m/{bad.path}"], b"x" * (bad.bytes or 0)
        code, out, _ = filled.run("fetch", "wrist", "--from", f"{mirror.url}/m")
        assert code == 69 and f"missing: {bad.path}: {bad.path}: is another file: sha256:" in out
        mirror.files[f"/m/{bad.path}"] = good
        assert filled.json("fetch", "wrist", "--from", f"{mirror.url}/m")["fetched"] == 1
    assert whole(filled)


def test_what_was_pushed_is_fetched_by_another_machine(
    filled: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = filled.json("push", "wrist", "memory://far/wrist")
    assert value["pushed"] == 3
    assert filled.json("push", "wrist", "memory://far/wrist")["pushed"] == 0
    MemoryFileSystem().pipe_file(f"/far/wrist/{filled.entries[0].path}", b"cut")
    filled.edit("index: ../data/wrist.csv", "index: ../data/wrist.csv, url: 'memory://far/wrist'")
    lose(filled)
    code, _, err = filled.run("push", "wrist")
    assert code == 69 and "is another file" in err
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "another"))
    filled.json("fetch", "wrist", "--from", tmp_path / "lost")
    assert filled.json("push", "wrist")["pushed"] == 1
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "third"))
    assert filled.json("fetch", "wrist")["fetched"] == 3
    assert filled.json("fetch", "wrist")["fetched"] == 0


def test_new_files_of_a_dataset_behind_a_url_wait_in_the_cache_to_be_pushed(repo: Repo) -> None:
    MemoryFileSystem.store.clear()
    repo.edit("index: ../data/wrist.csv", "index: ../data/wrist.csv, url: 'memory://far/wrist'")
    repo.json("add", "wrist", repo.file("a.csv", rows(1)), "--label", "rest")
    assert not (repo.root / "data" / "wrist").exists()
    assert repo.json("push", "wrist")["pushed"] == 1
    assert [*MemoryFileSystem.store] == [f"/far/wrist/{repo.entries[0].path}"]


def test_files_stay_in_place_below_a_folder_that_stands_for_a_url(repo: Repo) -> None:
    repo.edit("index: ../data/wrist.csv", "index: ../data/wrist.csv, url: 'https://data.example/wrist'")
    repo.file("shake/a.csv", rows(1))
    inbox = repo.root.parent / "inbox"
    repo.json("add", "wrist", inbox, "--label-from", "folder", "--in-place")
    assert [e.file for e in repo.entries] == ["shake/a.csv"]
    assert repo.json("fetch", "wrist")["fetched"] == 0  # it is in the cache


def test_pushing_into_a_folder_copies_what_is_missing(filled: Repo, tmp_path: Path) -> None:
    assert filled.json("push", "wrist", (tmp_path / "disk").as_uri())["pushed"] == 3
    assert filled.json("push", "wrist", (tmp_path / "disk").as_uri())["pushed"] == 0
    assert (tmp_path / "disk" / filled.entries[0].path).is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["push", "wrist"], "its source names no url"),
        (["push", "wrist", "https://x.example"], "a web server takes no files"),
        (["fetch", "wrist", "--from", "nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_wrong_places_are_refused(filled: Repo, arguments: list[str], message: str) -> None:
    code, _, err = filled.run(*arguments)
    assert code == 64 and message in err


def test_pointers_of_git_lfs_are_named_with_their_command(filled: Repo) -> None:
    filled.git("init", "-q")
    for e in filled.entries:
        digits = e.sha256.removeprefix("sha256:")
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digits}\nsize {e.bytes}\n"
        (filled.root / "data" / "wrist" / e.path).write_text(pointer)
    code, _, err = filled.run("fetch", "wrist")
    assert code == 65 and "3 files are Git LFS pointers" in err and 'git lfs pull --include="data/wrist/**"' in err
    assert filled.json("fetch", "wrist", "--from", filled.root.parent / "inbox")["fetched"] == 3
    assert whole(filled)
