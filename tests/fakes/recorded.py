"""A repository with one dataset that people record into, and files to add to it."""

from __future__ import annotations

import io
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinyops.cli import main
from tinyops.datasets.editing import read_index
from tinyops.datasets.index import IndexEntry

SPEC = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: wrist}
spec:
  classes: [rest, shake]
  signal: {sensor: imu, channels: [ax, ay], units: [g, g], full_scale: [4, 4], rate_hz: 10}
  sources:
    - {kind: recordings, index: ../data/wrist.csv}
  licence: CC-BY-4.0
  origin: "made up"
"""

PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: wearables}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  signing: {image: {by: ci, key: {secret: IMAGE_KEY}}}
"""


@dataclass
class Repo:
    """The repository; `run` is the command line over it."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def index(self) -> Path:
        return self.root / "data" / "wrist.csv"

    @property
    def entries(self) -> tuple[IndexEntry, ...]:
        return read_index(self.index)

    def edit(self, old: str, new: str) -> None:
        path = self.root / "specs" / "wrist.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def file(self, name: str, data: bytes | str) -> Path:
        path = self.root.parent / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def git(self, *arguments: str) -> str:
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        who = ["-c", "user.name=ana", "-c", "user.email=ana@example.com"]
        command = ["git", *who, "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, env=env, text=True).stdout.strip()

    def commit(self) -> str:
        """Everything as it is now."""
        self.git("init", "-q")
        self.git("add", ".")
        self.git("commit", "-qm", "data")
        return self.git("rev-parse", "HEAD")

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        code = main(["data", *map(str, arguments), "-C", str(self.root)])
        out, err = self.capsys.readouterr()
        return code, out, err

    def json(self, *arguments: str | Path) -> Any:
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, out + err
        return json.loads(out)


@pytest.fixture
def repo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "repo"
    (root / "specs").mkdir(parents=True)
    (root / "specs" / "wrist.yaml").write_text(SPEC)
    return Repo(root, capsys)


def rows(number: int, frames: int = 5) -> str:
    return "ax,ay\n" + "".join(f"{number / 10},{frame / 10}\n" for frame in range(frames))


def npy(number: int, frames: int = 5) -> bytes:
    out = io.BytesIO()
    np.save(out, np.full((frames, 2), number / 100))
    return out.getvalue()
