"""The page's modules in Node.js: one process for all questions of a test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tinyops.firmware.forms.browser import SOURCES

ASKS = Path(__file__).parents[1] / "runtime" / "browser"
PLAIN, PART = "ask.mjs", "ask_part.mjs"  # of any page, of one that is a part of a chain


def ask(*calls: tuple[str, list[Any]], of: str = PLAIN) -> list[Any]:
    """The answers; an AssertionError for a call that failed."""
    answers = answers_of(*calls, of=of)
    for call, answer in zip(calls, answers, strict=True):
        assert "ok" in answer, f"{call[0]}: {answer['error']}"
    return [answer["ok"] for answer in answers]


def answers_of(*calls: tuple[str, list[Any]], of: str = PLAIN) -> list[Any]:
    """`{"ok": …}` or `{"error": …}` of each call."""
    if shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node is not on PATH: run `make setup`")
        pytest.skip("node is not on PATH: run `make setup`")
    with tempfile.TemporaryDirectory(prefix="tinyops-scripts-") as name:
        folder = Path(name)
        for source in (*SOURCES.glob("*.js"), *(SOURCES / "chain").glob("*.js")):
            shutil.copy(source, folder / source.name)
        for source in ASKS.glob("*.mjs"):
            shutil.copy(source, folder / source.name)
        (folder / "package.json").write_text('{"type": "module"}')
        done = subprocess.run(
            ["node", of], cwd=folder, input=json.dumps(calls), capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found
