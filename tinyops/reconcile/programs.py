"""The ELF files of released programs, newest release first: what a crash is mapped with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tinyops.errors import SpecError, TinyopsError, ToolError
from tinyops.firmware.crash import CrashRecord
from tinyops.firmware.symbols import Program
from tinyops.manifest.document import Manifest
from tinyops.reconcile.opening import open_releases
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.release.store import ReleaseStore, Unreachable
from tinyops.specs.loader import load_repository

RELEASES_MAX = 50  # how many releases are looked through for what a device ran
FILES_MAX = 10_000
# A firmware is linked once for each of its slots; which one ran, its CRC-32 says.
PROGRAM_STEPS = {"firmware": ("firmware.elf", "firmware_b.elf"), "image": ("model.elf",)}


def released_programs(root: Path, record: CrashRecord) -> Iterator[Program]:
    """Of the record's board and fleet, as far as it names them. Each file once; verified by its digest."""
    store = open_releases(load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root)))
    latest = store.latest() if store else None
    if store is None or latest is None:
        return
    seen: set[str] = set()
    for version in range(latest.manifest.version, max(latest.manifest.version - RELEASES_MAX, 0), -1):
        manifest = latest.manifest if version == latest.manifest.version else _read(store, version)
        if manifest is None:
            continue
        for digest in _digests(manifest, record):
            if digest not in seen:
                seen.add(digest)
                yield Program(store.fetch_output(manifest, digest))


def programs_in(folder: Path) -> Iterator[Program]:
    """Every ELF of a firmware or a model image below a folder, a release's for one. Others are stepped over."""
    if not folder.is_dir():
        raise SpecError(f"{folder}: no such folder", hint="name the folder of a release, or an ELF with --elf")
    for number, path in enumerate(sorted(folder.rglob("*.elf"))):
        if number >= FILES_MAX:
            raise SpecError(f"{folder}: holds more than {FILES_MAX:,} ELF files", hint="name a folder below it")
        try:
            yield Program(path)
        except ToolError:
            continue


def _read(store: ReleaseStore, version: int) -> Manifest | None:
    """An earlier release; None for one that is gone, or that no key of today vouches for."""
    try:
        return store.read(version).manifest
    except Unreachable:
        raise
    except TinyopsError:
        return None


def _digests(manifest: Manifest, record: CrashRecord) -> Iterator[str]:
    for step, made in manifest.steps.items():
        kind, _, name = step.partition(":")
        fleet, _, board = name.partition("/")
        owners = [(board, record.board), (fleet, record.fleet if kind == "firmware" else "")]
        if all(wanted in ("", found) for found, wanted in owners):
            outputs = PROGRAM_STEPS.get(kind, ())
            yield from (made.outputs[output].digest for output in outputs if output in made.outputs)
