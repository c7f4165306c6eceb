"""The file that a cable brings onto a board: firmware and model of the last release, as the board's tool takes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tinyops.boards.model import Board, BoardSpec
from tinyops.errors import ToolError, UsageError
from tinyops.files import MIB, read_bounded, write_if_changed
from tinyops.firmware.hexadecimal import END_LINE, intel_hex
from tinyops.firmware.uf2 import FAMILIES, pack_uf2
from tinyops.manifest.document import BoardEntry, Manifest
from tinyops.reconcile.opening import open_releases
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.release.store import ReleaseStore
from tinyops.specs.loader import load_repository

LIMIT_BYTES = 64 * MIB
FOLDER = Path(".tinyops") / "flash"
BLANK = b"\xff"


@dataclass(frozen=True)
class Flashable:
    """A file, verified by the release's signature and digests, and what a board must say that it runs afterwards."""

    path: Path
    fleet: str
    tag: str
    firmware: bytes  # SHA-256
    contract: bytes  # SHA-256
    with_model: bool


def flashable(root: Path, board: Board, fleet: str | None) -> Flashable:
    """Writes the file below .tinyops/flash. Raises UsageError or RemoteError when the release has none."""
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    releases = open_releases(repository)
    release = releases.latest() if releases else None
    if releases is None or release is None:
        raise UsageError("nothing is released yet", hint="`tinyops apply` makes the first release; --file names a file")
    chosen, entry = choose_entry(release.manifest, board.name, fleet)
    firmware, model = _contents(releases, release.manifest, chosen, board, entry)
    assert board.spec.flash_tool is not None
    kind = board.spec.flash_tool.file
    if kind == "elf":
        data = _elf(releases, release.manifest, chosen, board.name)
        model = None
    else:
        data = flash_file(kind, board.spec, firmware, model)
    path = root / FOLDER / chosen / f"{board.name}.{kind}"
    write_if_changed(path, data)
    contract = bytes.fromhex(entry.contract.removeprefix("sha256:"))
    return Flashable(
        path, chosen, release.manifest.tag, hashlib.sha256(firmware).digest(), contract, with_model=model is not None
    )


def choose_entry(manifest: Manifest, board: str, fleet: str | None) -> tuple[str, BoardEntry]:
    """The fleet that is meant and what it has for the board. Raises UsageError naming those that there are."""
    having = {name: entry.boards[board] for name, entry in manifest.fleets.items() if board in entry.boards}
    if fleet is not None and fleet not in having:
        there = ", ".join(sorted(manifest.fleets)) or "none"
        raise UsageError(f"{manifest.tag}: fleet {fleet} has nothing for {board}", hint=f"fleets released: {there}")
    if fleet is None and len(having) != 1:
        which = f"fleets {', '.join(sorted(having))} have" if having else "no fleet has"
        raise UsageError(f"{manifest.tag}: {which} something for {board}", hint="name one with --fleet")
    name = fleet or next(iter(having))
    return name, having[name]


def _contents(
    releases: ReleaseStore, manifest: Manifest, fleet: str, board: Board, entry: BoardEntry
) -> tuple[bytes, bytes | None]:
    if entry.firmware is None or board.spec.layout is None:
        raise UsageError(f"{manifest.tag}: fleet {fleet} has no firmware for {board.name}")
    firmware = read_bounded(releases.fetch_output(manifest, entry.firmware.digest), LIMIT_BYTES)
    if entry.model.kind != "image":
        return firmware, None
    return firmware, read_bounded(releases.fetch_output(manifest, entry.model.digest), LIMIT_BYTES)


def _elf(releases: ReleaseStore, manifest: Manifest, fleet: str, board: str) -> bytes:
    record = manifest.steps.get(f"firmware:{fleet}/{board}")
    if record is None or "firmware.elf" not in record.outputs:
        raise UsageError(f"{manifest.tag}: holds no ELF of the firmware of {board} in fleet {fleet}")
    return read_bounded(releases.fetch_output(manifest, record.outputs["firmware.elf"].digest), LIMIT_BYTES)


def flash_file(kind: str, spec: BoardSpec, firmware: bytes, model: bytes | None) -> bytes:
    """Firmware and model, which lies in its first slot, as one file. Raises ToolError where they do not go together."""
    assert spec.layout is not None
    slot, models = spec.layout.firmware[0], spec.layout.model
    if len(firmware) > slot.bytes:
        raise ToolError(f"{spec.title}: a firmware of {len(firmware):,} bytes in a slot of {slot.bytes:,}")
    if model is not None and len(model) > models[0].bytes:
        raise ToolError(f"{spec.title}: a model of {len(model):,} bytes in a slot of {models[0].bytes:,}")
    if kind == "hex":
        parts = [intel_hex(firmware, slot.origin)]
        parts += [intel_hex(model, models[0].origin)] if model is not None else []
        return ("".join(part.replace(END_LINE, "") for part in parts) + END_LINE).encode()
    whole = firmware
    if model is not None:
        whole = firmware.ljust(models[0].origin - slot.origin, BLANK) + model
    if kind == "bin":
        return whole
    if spec.mcu not in FAMILIES:
        raise ToolError(
            f"{spec.title}: no boot ROM of a {spec.mcu} takes UF2", hint="mend flash_tool in its board file"
        )
    return pack_uf2(whole, slot.origin, FAMILIES[spec.mcu])
