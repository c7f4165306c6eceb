"""`tinyops ci` from its arguments: events, artifacts and plan files of whoever wrote them, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.github_discussions import Discussions, discussing
from fakes.github_server import REPOSITORY, TOKEN, GitHub, serving_github
from fakes.release_stores import check_exchanges
from tinyops.ci.event import find_place, read_event, read_number
from tinyops.cli import main
from tinyops.errors import UsageError
from tinyops.files import pretty_json
from tinyops.plan import Action, Bound, Change, Plan, Reason
from tinyops.plan.prices import PlanFile

BOUND = Bound(*("sha256:" + digit * 64 for digit in "1234"))
TIP = "c" * 40
HOSTILE = "<script>alert(1)</script> @everyone [x](javascript:1) ``` | <!-- -->"
Captured = pytest.CaptureFixture[str]


def plan_file(text: str = HOSTILE) -> bytes:
    changes = (Change("fleet", "wrist", Action.UPDATE, (Reason(text, "a", "b"),)),)
    return pretty_json(PlanFile(Plan("wearables", 3, BOUND, changes)).to_json())


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GitHub]:
    with serving_github() as running:
        discussing(running).pull(7, TIP)
        for name in ("GITHUB_EVENT_PATH", "GH_TOKEN", "GITHUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        monkeypatch.setenv("GITHUB_SERVER_URL", running.url)
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        monkeypatch.chdir(tmp_path)
        Path("plan.json").write_bytes(plan_file())
        yield running
        check_exchanges(running)


def event(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    Path("event.json").write_text(json.dumps(value))
    monkeypatch.setenv("GITHUB_EVENT_PATH", "event.json")


def said(github: GitHub) -> Discussions:
    return discussing(github)


def test_a_plan_of_the_events_pull_request(github: GitHub, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    event(monkeypatch, {"pull_request": {"number": 7, "head": {"sha": TIP}}})
    assert main(["ci", "comment", "plan.json"]) == 0
    assert main(["ci", "comment", "plan.json", "--json"]) == 0
    lines = capsys.readouterr().out
    assert "pull request 7" in lines and '"unchanged"' in lines
    (comment,) = said(github).of(7)
    assert comment.body.startswith("<!-- tinyops plan of wearables -->\n")
    assert f"- ````{HOSTILE} a → b````\n" in comment.body


def test_a_number_out_of_an_artifact_is_held_against_the_runs_commit(
    github: GitHub, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    Path("number").write_text("7\n")
    command = ["ci", "comment", "plan.json", "--pull-from", "number"]
    assert main(command) == 64
    assert "no commit says whose pull request it is" in capsys.readouterr().err
    event(monkeypatch, {"workflow_run": {"head_sha": "d" * 40}})
    assert main(command) == 0
    assert "has moved on" in capsys.readouterr().out and said(github).of(7) == []
    event(monkeypatch, {"workflow_run": {"head_sha": TIP}})
    assert main(command) == 0
    assert len(said(github).of(7)) == 1


def test_a_dry_run_needs_nobody(github: GitHub, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    assert main(["ci", "comment", "plan.json", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("<!-- tinyops plan of wearables -->\n")
    assert github.asked == []


def edited(**fields: Any) -> bytes:
    return json.dumps({**json.loads(plan_file()), **fields}).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a plan"),
        (b"[" * 200_000, "not a plan"),
        (b'{"schema": "tinyops/plan/v2"}', "not a plan"),
        (edited(project="other"), "edited after it was made"),
        (edited(more=1), "not a plan: more"),
        (edited(project="--><script>"), "not a plan: project"),
        (b" " * (16 * 1024 * 1024 + 1), "larger than"),
        (b"\xff\xfe\x00", "not a plan"),
    ],
)
def test_files_that_are_no_plan_post_nothing(github: GitHub, capsys: Captured, data: bytes, words: str) -> None:
    Path("plan.json").write_bytes(data)
    assert main(["ci", "comment", "plan.json", "--pull", "7"]) == 64
    err = capsys.readouterr().err
    assert words in err and "<script>" not in err
    assert github.asked == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pull", "0"], "is not a number"),
        (["--pull", "7", "--pull-from", "x"], "not allowed with"),
        ([], "no pull request is named"),
        (["--pull", "7", "--head", "main"], "not the full name of a commit"),
        (["--pull", "7", "--repo", "../x"], "is no repository on GitHub"),
        (["--pull", "7", "--url", "file:///etc"], "is no address of a GitHub"),
        (["--pull-from", "absent"], "absent"),
    ],
)
def test_wrong_arguments(github: GitHub, capsys: Captured, arguments: list[str], words: str) -> None:
    assert main(["ci", "comment", "plan.json", *arguments]) == 64
    assert words in capsys.readouterr().err
    assert github.asked == []


def test_without_a_token(github: GitHub, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    assert main(["ci", "comment", "plan.json", "--pull", "7"]) == 70
    assert "without a token" in capsys.readouterr().err


def test_a_token_that_is_none_is_not_shown(github: GitHub, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "two words canary-9")
    assert main(["ci", "comment", "plan.json", "--pull", "7"]) == 70
    assert "canary-9" not in capsys.readouterr().err


def test_github_that_refuses_is_69(github: GitHub, capsys: Captured) -> None:
    said(github).locked.add(7)
    assert main(["ci", "comment", "plan.json", "--pull", "7"]) == 69
    assert "issue is locked" in capsys.readouterr().err


# -- events, numbers, places --------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [],
        None,
        {"pull_request": []},
        {"pull_request": {"number": True}},
        {"pull_request": {"number": -7, "head": "x"}},
        {"pull_request": {"number": "7", "head": {"sha": "main"}}},
        {"workflow_run": {"head_sha": ["x"]}},
        {"workflow_run": {"head_sha": "x; rm -rf /"}},
    ],
)
def test_events_that_name_nothing(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(value))
    found = read_event({"GITHUB_EVENT_PATH": str(path)})
    assert (found.pull, found.head) == (0, "")


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 200_000, b"\xff"])
def test_events_that_are_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="not the event of a workflow"):
        read_event({"GITHUB_EVENT_PATH": str(path)})


@pytest.mark.parametrize("data", [b"", b"0", b"7 8", b"-1", b"07", b"7;ls", b"\xd9\xa7", b"7" * 65, b"1" * 11])
def test_numbers_that_are_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "number"
    path.write_bytes(data)
    with pytest.raises(UsageError):
        read_number(path)


def test_places() -> None:
    assert str(find_place(None, None, {"GITHUB_REPOSITORY": "acme/x"})) == "acme/x"
    assert find_place("acme/x", "https://git.acme.example", {}).api == "https://git.acme.example/api/v3"
    with pytest.raises(UsageError, match="no repository is named"):
        find_place(None, None, {})
    for wrong in ("acme", "acme/", "/x", "a/b/c", "acme/..", "-x/y", "acme/x?y"):
        with pytest.raises(UsageError, match="no repository on GitHub"):
            find_place(wrong, None, {})
