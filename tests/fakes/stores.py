"""Artifact stores of tests: a folder of one's own, and what many share behind a file system of fsspec."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

from tinyops.artifacts import Record
from tinyops.files import digest_bytes
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.remote.files import Limits, Patience
from tinyops.remote.fsspec_files import FsspecFiles
from tinyops.store import Folder, Notary, Run, Shared, Store, take_outputs

PROJECT = "wearables"
HERE = Run(machine="ana@bench")
KEY = "sha256:" + "1" * 64
QUICK = Limits(base_s=5, attempts=2, pause_s=0.01)


def store_at(root: Path, run: Run = HERE, **notary: Any) -> Store:
    """A folder that only its own user writes, as without any key."""
    return Store(Folder(root), Notary(PROJECT, run, **notary))


@dataclass
class Site:
    """One URL and the machines around it. `signer` is trusted by all of them; not each of them has it."""

    url: str
    base: Path
    options: dict[str, Any] = field(default_factory=dict)
    limits: Limits = QUICK
    signer: SigningKey = field(default_factory=SigningKey.generate)
    said: list[str] = field(default_factory=list)

    def machine(self, name: str, *, signs: bool = True, run: Run | None = None, publishing: bool = False) -> Store:
        notary = Notary(
            PROJECT,
            run or Run(machine=f"ana@{name}"),
            Trust.of([self.signer.public]),
            self.signer if signs else None,
            publishing,
        )
        shared = Shared(self.files(), Patience(self.limits, ["canary-7"]), self.said.append)
        return Store(Folder(self.base / name), notary, shared, self.said.append)

    def files(self) -> FsspecFiles:
        return FsspecFiles(self.url, self.options)

    def names(self) -> list[str]:
        return sorted(stored.name for stored in self.files().listing())


def made(store: Store, text: bytes = b"weights", *, key: str = KEY, step: str = "train:a") -> Record:
    """Runs a step by hand: one output, saved."""
    with store.scratch(step) as scratch:
        out = scratch / "out"
        (out / "deep").mkdir(parents=True)
        (out / "deep" / "file").write_bytes(text)
        (out / "empty").write_bytes(b"")
        record = Record(step, key, {"epochs": 2}, {}, {}, {}, take_outputs(store, out), {"n": 1})
    store.save(record)
    return record


def key_of(text: str) -> str:
    return digest_bytes(text.encode())


class Faulty(MemoryFileSystem):
    """Memory behind a connection that can cut short, raise or hang: `trouble` says how, `calls` what was asked."""

    protocol = "faulty"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    trouble: ClassVar[dict[str, Any]] = {}
    calls: ClassVar[list[str]] = []

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        way = "read" if mode == "rb" else "write"
        self.act(way, path)
        opened = super()._open(path, mode, **options)
        if way == "read" and "cut" in self.trouble:
            return type(opened)(self, path, opened.getvalue()[: self.trouble["cut"]])
        return opened

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> Any:
        self.act("write", path)
        return super().pipe_file(path, value, mode, **options)

    def info(self, path: str, **options: Any) -> Any:
        self.act("stat", path)
        return super().info(path, **options)

    @classmethod
    def act(cls, way: str, path: str) -> None:
        cls.calls.append(f"{way} {path}")
        trouble = cls.trouble.get(way)
        if isinstance(trouble, Exception):
            raise trouble
        if isinstance(trouble, threading.Event):
            trouble.wait()


@contextmanager
def faulty(**trouble: Any) -> Iterator[type[Faulty]]:
    """While the block runs, `faulty://` is such a file system."""
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    Faulty.store.clear()
    Faulty.calls.clear()
    Faulty.trouble.clear()
    Faulty.trouble.update(trouble)
    try:
        yield Faulty
    finally:
        for hanging in Faulty.trouble.values():
            if isinstance(hanging, threading.Event):
                hanging.set()
        Faulty.trouble.clear()
