"""The file that a cable brings onto a board: what the last release has for its flash, as the board's tool takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tinyops.boards.layout import Region
from tinyops.boards.model import Board
from tinyops.build.trust import find_trust
from tinyops.errors import RemoteError, UsageError
from tinyops.files import MIB, read_bounded, write_if_changed
from tinyops.firmware.flash_file import Part, blank, flash_file
from tinyops.images import check_signature, read_image
from tinyops.images.definition import MAGIC
from tinyops.manifest.document import BoardEntry, FileRef, Manifest
from tinyops.manifest.keys import Trust
from tinyops.reconcile.opening import open_releases
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.release.store import ReleaseStore
from tinyops.specs.loader import Repository, load_repository

LIMIT_BYTES = 64 * MIB
FOLDER = Path(".tinyops") / "flash"
FIRMWARE, MODEL = "firmware", "model"
IMAGE_START = MAGIC.to_bytes(4, "little")


@dataclass(frozen=True)
class Flashable:
    """A file, verified by the release's signature and digests, and what a board must say that it runs afterwards:
    the SHA-256 of its firmware and of its model as they lie in flash, None without one or where that is not known; and
    of what is in them where they are images, by name."""

    path: Path
    fleet: str
    tag: str
    firmware: bytes
    contract: bytes
    model: bytes | None
    bodies: Mapping[str, bytes]


def flashable(root: Path, board: Board, fleet: str | None, part: str = "") -> Flashable:
    """Writes the file below .tinyops/flash. Raises UsageError or RemoteError when the release has none."""
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    releases = open_releases(repository)
    release = releases.latest() if releases else None
    if releases is None or release is None:
        raise UsageError("nothing is released yet", hint="`tinyops apply` makes the first release; --file names a file")
    chosen, target = choose_target(release.manifest, called(repository, board.name, part), board.name, fleet)
    entry = release.manifest.fleets[chosen].boards[target]
    assert board.spec.flash_tool is not None
    kind = board.spec.flash_tool.file
    read = partial(_read, releases, release.manifest)
    parts = [*_parts(release.manifest, chosen, board, entry, read, find_trust(root))]
    if kind == "elf":
        data = _elf(releases, release.manifest, chosen, target)
        parts = parts[:1]
    else:
        data = flash_file(kind, board.spec, parts)
    path = root / FOLDER / chosen / f"{target}.{kind}"
    write_if_changed(path, data)
    digests = {part.name: hashlib.sha256(part.data).digest() for part in parts}
    contract = bytes.fromhex(entry.contract.removeprefix("sha256:"))
    bodies = {part.name: hashlib.sha256(body).digest() for part in parts if (body := _body(part.data)) is not None}
    return Flashable(path, chosen, release.manifest.tag, digests[FIRMWARE], contract, digests.get(MODEL), bodies)


def _body(data: bytes) -> bytes | None:
    """What an image holds; None of what is none."""
    return read_image(data, where="a part").body if data.startswith(IMAGE_START) else None


def called(repository: Repository, board: str, part: str = "") -> Mapping[str, tuple[str, ...]]:
    """By fleet, what it may call a board: as the catalogue does, or the parts of its chain that are such a board."""
    found = {}
    for name, entry in repository.fleets.items():
        chain = entry.document.spec.chain
        if chain is not None:
            found[name] = tuple(one.name for one in chain.parts if one.board == board and part in ("", one.name))
        elif part:
            found[name] = ()
    return found


def choose_target(
    manifest: Manifest, names: Mapping[str, tuple[str, ...]], board: str, fleet: str | None
) -> tuple[str, str]:
    """The fleet that is meant, and what it calls the board; `names` are those of chains. Raises UsageError naming what
    there is.
    """
    having: dict[str, tuple[str, ...]] = {}
    for name, entry in manifest.fleets.items():
        if targets := tuple(target for target in names.get(name, (board,)) if target in entry.boards):
            having[name] = targets
    if fleet is not None and fleet not in having:
        there = ", ".join(sorted(manifest.fleets)) or "none"
        raise UsageError(f"{manifest.tag}: fleet {fleet} has nothing for {board}", hint=f"fleets released: {there}")
    if fleet is None and len(having) != 1:
        which = f"fleets {', '.join(sorted(having))} have" if having else "no fleet has"
        raise UsageError(f"{manifest.tag}: {which} something for {board}", hint="name one with --fleet")
    chosen = fleet or next(iter(having))
    if len(having[chosen]) > 1:
        parts = ", ".join(having[chosen])
        raise UsageError(f"a {board} may be several parts of fleet {chosen}: {parts}", hint="say which with --part")
    return chosen, having[chosen][0]


def _read(releases: ReleaseStore, manifest: Manifest, file: FileRef) -> bytes:
    return read_bounded(releases.fetch_output(manifest, file.digest), LIMIT_BYTES)


def _parts(
    manifest: Manifest,
    fleet: str,
    board: Board,
    entry: BoardEntry,
    read: Callable[[FileRef], bytes],
    trust: Trust | None,
) -> Iterator[Part]:
    """What a cable writes, the firmware first; of a board with slots signed images, into the first one of each, and a
    log without a record. What identifies the device stays as it is.

    Raises UsageError for what the release does not have, RemoteError for an image that no trusted key signed.
    """
    layout = board.spec.layout
    if entry.firmware is None or layout is None:
        raise UsageError(f"{manifest.tag}: fleet {fleet} has no firmware for {board.name}")
    wanted: list[tuple[str, Region, FileRef | None]] = [(FIRMWARE, layout.firmware[0], entry.firmware)]
    if layout.own_bootloader is not None:
        wanted = [(FIRMWARE, layout.firmware[0], entry.images.get("firmware_a"))]
        wanted.append(("bootloader", layout.own_bootloader, entry.bootloader))
    if entry.model.kind == "image":
        model = entry.images.get(MODEL) if layout.state is not None else entry.model
        wanted.append((MODEL, layout.model[0], model))
    for name, region, file in wanted:
        if file is None:
            raise UsageError(
                f"{manifest.tag}: holds no signed {name} of {board.name} in fleet {fleet}, which its slots take alone",
                hint="it was made before the board had slots: `tinyops apply` makes another",
            )
        yield Part(name, region, _checked(read(file), file, entry, trust))
    if layout.state is not None:
        yield blank("state", layout.state)


def _checked(data: bytes, file: FileRef, entry: BoardEntry, trust: Trust | None) -> bytes:
    """A signed image as its device would take it; other files were checked by their digest."""
    if file in entry.images.values():
        image = read_image(data, where=file.asset)
        try:
            check_signature(image, trust.keys.values() if trust else (), where=file.asset)
        except RemoteError as error:
            hint = "`tinyops apply` signs it anew; a device that is enrolled would not start it"
            raise RemoteError(error.message, hint=hint) from None
    return data


def _elf(releases: ReleaseStore, manifest: Manifest, fleet: str, board: str) -> bytes:
    record = manifest.steps.get(f"firmware:{fleet}/{board}")
    if record is None or "firmware.elf" not in record.outputs:
        raise UsageError(f"{manifest.tag}: holds no ELF of the firmware of {board} in fleet {fleet}")
    return read_bounded(releases.fetch_output(manifest, record.outputs["firmware.elf"].digest), LIMIT_BYTES)
