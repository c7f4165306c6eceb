"""The command of the labelling page: what it refuses, and where it opens a browser."""

from __future__ import annotations

import http.client
import importlib
import json
import signal
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import tinyops
from fakes.labelling import motions
from tinyops.cli import main
from tinyops.cli.commands import label


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wrists"], "no dataset 'wrists'"),
        (["wrist", "--model", "nope"], "there is no model 'nope'"),
        (["wrist", "--port", "65536"], "--port 65536 is none"),
        (["wrist", "--port", "-1"], "--port -1 is none"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    motions(tmp_path, 1)
    assert main(["label", *arguments, "-C", str(tmp_path), "--no-open", "--json"]) == 64
    assert message in json.loads(capsys.readouterr().out)["error"]["message"]


def test_a_dataset_without_its_index_is_a_wrong_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    motions(tmp_path, 1).unlink()
    assert main(["label", "wrist", "-C", str(tmp_path), "--no-open"]) == 65
    assert "wrist.csv" in capsys.readouterr().err


def test_without_the_receivers_packages_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    motions(tmp_path, 1)
    for name in ("label", "receiver"):  # what is imported again must not stay as the package's attribute
        importlib.import_module(f"tinyops.{name}")
        monkeypatch.setattr(tinyops, name, getattr(tinyops, name))
    for name in [name for name in sys.modules if name.startswith(("tinyops.label", "tinyops.receiver"))]:
        parent, _, child = name.rpartition(".")
        monkeypatch.setattr(sys.modules[parent], child, sys.modules[name])  # put back, too: the import sets another
    for name in [name for name in sys.modules if name.startswith(("tinyops.label", "tinyops.receiver"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    assert main(["label", "wrist", "-C", str(tmp_path)]) == 70
    assert "pip install 'tinyops[receiver,data]'" in capsys.readouterr().err


def test_a_browser_is_opened_where_there_are_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    label._open("http://127.0.0.1:1/t/")
    assert opened == [], "a terminal's browser would take the terminal"
    monkeypatch.setenv("DISPLAY", ":0")
    label._open("http://127.0.0.1:1/t/")
    while not opened:
        pass
    assert opened == ["http://127.0.0.1:1/t/"]


def test_what_was_labelled_is_judged_at_the_end(tmp_path: Path) -> None:
    motions(tmp_path, 2)  # the second of them lost 7 % of its frames
    argv = [sys.executable, "-m", "tinyops", "label", "wrist", "-C", str(tmp_path), "--no-open"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        parts = urlsplit(process.stdout.readline().strip())
        page = http.client.HTTPConnection(parts.netloc)
        page.request("GET", parts.path + "index")
        rows = json.loads(page.getresponse().read())["rows"]
        body = json.dumps({"do": "label", "ids": [rows[1][0]], "label": "shake"})
        headers = {"Content-Type": "application/json", "Origin": f"http://{parts.netloc}"}
        page.request("POST", parts.path + "act", body, headers)
        assert page.getresponse().read()
        page.close()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "warning: gaps: 1 recording with more than 5.0% of the frames lost" in said
