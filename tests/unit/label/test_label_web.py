"""The page's server: whom it answers, and that nobody else can change anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes.labelling import DATASET, MOTION, motions, tones
from fakes.projects import PROJECT
from tinyops.boards.loader import load_catalog
from tinyops.datasets.index import parse_index
from tinyops.errors import SpecError, UsageError
from tinyops.label.opening import Opened, open_labelling
from tinyops.label.suggestions import ModelFiles
from tinyops.specs.loader import Repository, load_repository

PORT = 4711
HOST = f"127.0.0.1:{PORT}"
OWN = {"host": HOST, "origin": f"http://{HOST}", "content-type": "application/json", "sec-fetch-site": "same-origin"}


def no_model() -> ModelFiles:
    raise UsageError("motion: was not built yet", hint="`tinyops plan --build` trains one")


def load(root: Path) -> Repository:
    return load_repository(root, catalog=load_catalog(None))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return motions(tmp_path, 6)


@pytest.fixture
def opened(index: Path) -> Iterator[Opened]:
    made = open_labelling(load(index.parents[1]), "wrist", no_model)
    yield made
    made.suggestions.stop()


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    opened: Opened, name: str, method: str = "GET", body: bytes = b"", path: str | None = None, **headers: str
) -> Answer:
    """One request as the page makes it, but for the headers that are given; "" leaves one out."""
    sent: list[Any] = []
    named = {**OWN, **{key.replace("_", "-"): value for key, value in headers.items()}}
    if method == "GET":
        named = {"host": HOST, "sec-fetch-site": "same-origin", **{k.replace("_", "-"): v for k, v in headers.items()}}
    else:
        named.setdefault("content-length", str(len(body)))
    where, _, query = name.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": opened.path + where if path is None else path,
        "query_string": query.encode(),
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", PORT),
        "headers": [(key.encode(), value.encode()) for key, value in named.items() if value],
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(opened.app(scope, receive, send))
    head = {key.decode().lower(): value.decode() for key, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], head, b"".join(part.get("body", b"") for part in sent[1:]))


def label(opened: Opened, **headers: str) -> Answer:
    first = ask(opened, "index").json["rows"][0]
    return ask(
        opened, "act", "POST", json.dumps({"do": "label", "ids": [first[0]], "label": "shake"}).encode(), **headers
    )


def test_the_page_and_its_parts_are_served_with_a_strict_policy(opened: Opened) -> None:
    page = ask(opened, "", sec_fetch_site="none")
    assert page.status == 200 and b"main.js" in page.body
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert ask(opened, "main.js").headers["content-type"].startswith("text/javascript")
    assert b"http" not in b"".join(ask(opened, name).body for name in ("main.js", "style.css", "colours.css"))


def test_an_action_is_saved_and_answered_with_what_changed(opened: Opened, index: Path) -> None:
    before = ask(opened, "index").json
    answer = label(opened)
    assert answer.status == 200
    assert answer.json["before"] == before["digest"] and len(answer.json["added"]) == 1
    assert answer.json["undo"] == [1, "1 piece labelled shake"] and answer.json["redo"] == [0, ""]
    assert ask(opened, f"index?known={answer.json['after']}").json == {"same": True}
    assert {e.label for e in parse_index(index.read_bytes(), "i")} >= {"shake"}
    assert ask(opened, "undo", "POST", b"{}").json["undo"] == [0, ""]
    assert ask(opened, "redo", "POST", b"{}").json["redo"] == [0, ""]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"http://127.0.0.1:{PORT + 1}"}, 403),
        ({"origin": f"https://{HOST}"}, 403),
        ({"origin": ""}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"host": f"evil.example:{PORT}"}, 421),
        ({"host": ""}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"content_type": "text/plain"}, 415),
        ({"content_type": ""}, 415),
    ],
)
def test_another_page_changes_nothing(opened: Opened, index: Path, headers: dict[str, str], status: int) -> None:
    before = index.read_bytes()
    assert label(opened, **headers).status == status
    assert index.read_bytes() == before


def test_another_page_reads_nothing(opened: Opened) -> None:
    assert ask(opened, "index", origin="https://evil.example").status == 403
    assert ask(opened, "index", sec_fetch_site="cross-site").status == 403
    assert ask(opened, "main.js", sec_fetch_site="cross-site").status == 403
    assert ask(opened, "index", host=f"evil.example:{PORT}").status == 421
    assert ask(opened, "", sec_fetch_site="cross-site").status == 200, "a link leads to the page"


@pytest.mark.parametrize("path", ["/", "/index", "/x/index", "/act", "//act"])
def test_who_does_not_know_the_token_finds_nothing(opened: Opened, index: Path, path: str) -> None:
    before = index.read_bytes()
    assert ask(opened, "", path=path).status == 404
    assert ask(opened, "", "POST", b'{"do": "delete"}', path=path).status == 404
    assert ask(opened, "", path=opened.path[:-2] + "/index").status == 404
    assert index.read_bytes() == before
    assert len(opened.path) > 30


def test_other_methods_and_files_are_not_there(opened: Opened) -> None:
    assert ask(opened, "act").status == 405
    assert ask(opened, "index", "DELETE").status == 405
    assert ask(opened, "../web.py").status == ask(opened, "page.html").status == 404


def test_a_huge_body_is_refused_before_it_is_read(opened: Opened) -> None:
    answer = ask(opened, "act", "POST", b"{}", content_length=str(10**12))
    assert answer.status == 413
    assert ask(opened, "act", "POST", b" " * (5 * 1024 * 1024), content_length="").status == 413


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("signal?path=../../specs/project.yaml&begin=0&end=9&columns=9", "is not in the index"),
        ("signal?path=PATH&begin=0&end=99999&columns=9", "places of frames have no"),
        ("signal?path=PATH&begin=0&end=9&columns=99999999", "places of frames have no"),
        ("signal?path=PATH&begin=-1&end=9&columns=9", "begin='-1' is no count"),
        ("signal?path=PATH&begin=1e9&end=9&columns=9", "is no count"),
        ("signal?path=PATH&begin=0&columns=9", "end='' is no count"),
        ("spectrogram?path=PATH&channel=9&begin=0&end=9&columns=9", "has no channel 9"),
        ("sound?path=PATH&channel=0&begin=0&end=9", "are no sound"),
        ("pixels?path=PATH&frame=0", "has no images"),
        ("facts", "is not in the index"),
        ("guesses?after=x", "is no count"),
    ],
)
def test_a_hostile_question_has_a_sentence_for_an_answer(opened: Opened, name: str, message: str) -> None:
    path = ask(opened, "index").json["rows"][0][1]
    answer = ask(opened, name.replace("PATH", path))
    assert answer.status == 422 and message in answer.json["error"]


def test_of_a_long_recording_only_columns_are_sent(tmp_path: Path) -> None:
    index = tones(tmp_path, 3)
    opened = open_labelling(load(tmp_path), "words", no_model)
    path = parse_index(index.read_bytes(), "i")[2].path
    facts = ask(opened, f"facts?path={path}").json
    assert (facts["frames"], facts["rate_hz"], facts["gaps"]) == (48000, 16000, [])
    part = ask(opened, f"signal?path={path}&begin=0&end=48000&columns=500")
    assert np.frombuffer(part.body, "<f4").shape == (500 * 2,)
    sound = ask(opened, f"sound?path={path}&channel=0&begin=0&end=48000")
    assert sound.headers["content-type"] == "audio/wav" and len(sound.body) == 44 + 2 * 48000
    opened.suggestions.stop()


def test_without_a_model_the_page_says_which_command_makes_one(opened: Opened) -> None:
    while not (said := ask(opened, "guesses?after=0").json)["problem"]:
        pass
    assert said["problem"] == "motion: was not built yet" and said["hint"] == "`tinyops plan --build` trains one"
    assert said["found"] == []


def test_a_dataset_that_nobody_can_label_is_named(tmp_path: Path, index: Path) -> None:
    with pytest.raises(UsageError, match="no dataset 'wrists'") as error:
        open_labelling(load(index.parents[1]), "wrists", no_model)
    assert error.value.hint == "datasets: wrist"
    root = tmp_path / "other"
    (root / "specs").mkdir(parents=True)
    (root / "specs" / "project.yaml").write_text(PROJECT)
    source = "{kind: wheel, package: a, version: '1', sha256: 'sha256:" + "0" * 64 + "', members: [a], format: ts}"
    text = DATASET.replace("NAME", "w").replace("CLASSES", "[a, b]").replace("SIGNAL", MOTION)
    (root / "specs" / "w.yaml").write_text(text.replace("{kind: recordings, index: ../data/w.csv}", source))
    with pytest.raises(UsageError, match="w: has no sources of kind recordings, wanted one"):
        open_labelling(load(root), "w", no_model)


def test_a_wrong_index_is_said_before_anything_is_served(index: Path) -> None:
    repository = load(index.parents[1])
    index.write_text("sha256,label\nxyz,rest\n")
    with pytest.raises(SpecError, match=r"wrist.csv:2:1: sha256: 'xyz' is not a sha256"):
        open_labelling(repository, "wrist", no_model)
