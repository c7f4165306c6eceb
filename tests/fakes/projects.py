"""Small repositories of specs with everything that a real one has, and the command line run over them."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.once import made_once

KEY = "TINYOPS_IMAGE_KEY"
_LEFT_OUT = ("TINYOPS_", "PIP_", "GITHUB_", "GITLAB_", "CI_", "AWS_", "FSSPEC_")
PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: bench}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  artifacts: {url: ../.tinyops/store}
  signing:
    image: {by: ci, key: {secret: TINYOPS_IMAGE_KEY}}
"""
DATASET = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: shakes}
spec:
  classes: [rest, shake]
  signal: {sensor: accelerometer, channels: [ax, ay], units: [g, g], full_scale: [2, 2], rate_hz: 10}
  sources:
    - {kind: files, index: ../data/shakes.index, format: csv}
  split: {by: recording, test: 0.25, seed: 7}
"""
TRAINED = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: motion}
spec:
  dataset: shakes
  input: {window_s: 1, hop_s: 1, features: [raw]}
  architecture: {kind: layers, layers: [{kind: flatten}, {kind: dense, units: 4}]}
  training: {epochs: 2, batch: 8, learning_rate: 0.01, seed: 1}
"""
FINISHED = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: tiny}
spec:
  dataset: shakes
  input: {window_s: 1, hop_s: 1, features: [raw]}
  architecture: {kind: tflite, file: ../models/tiny.tflite, sha256: "SHA256"}
"""
WITHOUT_DATA = FINISHED.replace("  dataset: shakes\n", "").replace(
    "window_s: 1, hop_s: 1, features: [raw]", "features: [tensor]"
)


def fleet(name: str, model: str, boards: Mapping[str, str], more: str = "") -> str:
    """A fleet's document; `boards` maps a board to its sensor."""
    lines = "".join(f"    {board}: {{sensor: {sensor}}}\n" for board, sensor in boards.items())
    head = f"apiVersion: tinyops/v1\nkind: Fleet\nmetadata: {{name: {name}}}\nspec:\n  model: {model}\n"
    return f"{head}{more}  boards:\n{lines}"


STREAM = "{kind: stream, port: serial}"


def recordings(folder: Path, per_class: int = 8, frames: int = 20, *, turned: bool = False) -> None:
    """CSV files of two classes that a child could tell apart, and their index.

    `turned`: every other recording of a class moves the other way, which one unit alone cannot tell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(2 * per_class):
        label = ("rest", "shake")[number % 2]
        size = 1.5 if label == "shake" else 0.05
        first = number // 2 if turned else 0
        rows = [f"{size * (-1) ** (first + i) * (1 - number / 99):.3f},{0.01 * number:.3f}" for i in range(frames)]
        text = "ax,ay\n" + "\n".join(rows) + "\n"
        name = f"{label}-{number:02}.csv"
        (folder / name).write_text(text)
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()} {label} {name}\n")
    (folder / "shakes.index").write_text("".join(lines))


def finished_model(inputs: int = 20, outputs: int = 2) -> bytes:
    """A .tflite of one dense layer."""
    from fakes.tflite import dense

    return dense(outputs=outputs, inputs=inputs).build([0], [3])


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def built(self) -> list[str]:
        """The steps that ran, in the order in which they ended, as the log names them."""
        lines = [line.split() for line in self.err.splitlines()]
        return [" ".join(words[: words.index("done")]) for words in lines if "done" in words and "in" in words]


@dataclass
class Repository:
    """A repository of specs in a folder, with its own home, cache and environment."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        self.write(name, text.replace(old, new))

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "tinyops", *map(str, arguments)]

    def environment(self, **more: str) -> dict[str, str]:
        """Of the test's own, without what would decide for tinyops: secrets, the CI it runs in, terminals, colour."""
        kept = {n: v for n, v in os.environ.items() if not n.startswith(_LEFT_OUT) and n not in ("CI", "FORCE_COLOR")}
        own = {"TINYOPS_CACHE": str(self.root / "cache"), "PYTHONPATH": str(Path(__file__).parents[2])}
        return {**kept, **own, **self.env, **more}

    def run(self, *arguments: str | Path, timeout_s: float = 120, **env: str) -> Ended:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str | Path, **env: str) -> Ended:
        """A command that must end well."""
        done = self.run(*arguments, **env)
        assert done.code == 0, f"{arguments}: exit {done.code}\n{done.out}\n{done.err}"
        return done

    def start(self, *arguments: str | Path, **env: str) -> subprocess.Popen[str]:
        """A command that is still running, alone in its process group, its log in `stderr`."""
        child = subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        atexit.register(child.kill)  # a test that failed halfway leaves nothing running
        return child

    def copy(self, to: Path) -> Repository:
        shutil.copytree(self.root, to, symlinks=True)
        return Repository(to, dict(self.env))

    def lift(self, limit: str, fleet: str = "") -> None:
        """Overrides a limit of the project, once: for the release that follows the last one."""
        release = self.ok("show", "--json").json["digest"]
        named = f"fleet: {fleet}, " if fleet else ""
        line = (
            f'{{limit: {limit}, {named}release: "{release}", reason: part of a test, author: mia, until: 2999-12-31}}'
        )
        text = (self.root / "specs/project.yaml").read_text()
        kept = [old for old in text.splitlines(keepends=True) if not old.startswith("  overrides:")]
        self.write("specs/project.yaml", "".join(kept).replace("  signing:", f"  overrides: [{line}]\n  signing:"))

    def clear_store(self) -> None:
        shutil.rmtree(self.root / ".tinyops" / "store", ignore_errors=True)

    @property
    def releases(self) -> Path:
        return self.root / ".tinyops" / "releases"

    def manifest(self) -> Any:
        """What the latest release says, without checking its signature."""
        import base64

        envelope = json.loads((self.releases / "latest" / "manifest.json").read_bytes())
        if isinstance(envelope.get("signed"), dict):
            return envelope["signed"]
        return json.loads(base64.b64decode(envelope["payload"]))

    def digests(self) -> dict[str, str]:
        """The digest of every released image and firmware by fleet and board."""
        found = {}
        for name, entry in self.manifest()["fleets"].items():
            for board, offered in entry["boards"].items():
                found[f"{name}/{board} model"] = offered["model"]["digest"]
                if offered["firmware"]:
                    found[f"{name}/{board} firmware"] = offered["firmware"]["digest"]
        return found


def children_of(bench: Repository) -> list[str]:
    """Command lines of processes that work for this repository: there, or told of its cache."""
    marker = f"TINYOPS_CACHE={bench.root / 'cache'}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            told = marker in (place / "environ").read_bytes().split(b"\0")
            if told or (place / "cwd").readlink().is_relative_to(bench.root):
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def repository(root: Path, *documents: str, model: bytes | None = None) -> Repository:
    """A repository of the project, a dataset and some documents, not locked yet."""
    made = Repository(root)
    recordings(root / "data")
    data = model or finished_model()
    made.write("models/tiny.tflite", data)
    made.write("specs/project.yaml", PROJECT)
    made.write("specs/data.yaml", DATASET)
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    made.write("specs/fleets.yaml", "---\n".join(d.replace("SHA256", digest) for d in documents))
    return made


def locked(made: Repository) -> Repository:
    """The repository with a key and a lock."""
    made.ok("keys", "new", KEY)
    made.ok("lock")
    return made


def release(root: Path, *documents: str) -> None:
    locked(repository(root, *documents)).ok("apply")


@functools.cache
def applied() -> Repository:
    """A repository with one release, made once a run; tests work on copies of it.

    Fleet wrist runs a trained model on a microbit and on Linux, desk a finished one on Linux.
    """
    return Repository(made_once("applied", lambda root: release(root, TRAINED, FINISHED, WRIST, DESK)))


WRIST = fleet("wrist", "motion", {"microbit": STREAM, "linux": STREAM})
DESK = fleet("desk", "tiny", {"linux": STREAM})


@functools.cache
def applied_finished() -> Repository:
    """The same without training: fleet desk, a finished model on Linux and on a microbit."""
    return Repository(made_once("applied-finished", lambda root: release(root, FINISHED, BOTH)))


BOTH = fleet("desk", "tiny", {"linux": STREAM, "microbit": STREAM})
