"""The two slots of an agent: a model is fetched into the spare one, beside the one that runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tinyops.device.contract import CONTRACT_LIMIT_BYTES, Contract, contract_digest, read_contract
from tinyops.device.offers import Refused
from tinyops.device.source import Source
from tinyops.device.state import SLOTS, SlotName
from tinyops.files import JsonObject, digest_file, read_bounded, sync_folder, writing
from tinyops.manifest.entry import Entry, EntryFile

MODEL = "model.so"
GOLDEN = "golden.bin"
CONTRACT = "contract.json"
PROGRAM = "part"  # of a part of a chain: what runs its models, with the start of its digest behind that
PROGRAM_MODE = 0o700
_SIGNED = ", which the signed entry names"


class Slots:
    """`<folder>/slots/a` and `b`, each with model, golden vectors and contract, and a chain's part with its program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "slots"

    def path(self, slot: SlotName, name: str) -> Path:
        return self.folder / slot / name

    def intact(self, slot: SlotName, entry: Entry) -> bool:
        """Whether a slot holds exactly what an entry describes."""
        return all(_is(self.path(slot, name), file) for name, file in _files(entry))

    def lacks_program_alone(self, slot: SlotName, entry: Entry) -> bool:
        """Whether it holds what an entry describes but for the program, which is another one or missing."""
        wrong = [name for name, file in _files(entry) if not _is(self.path(slot, name), file)]
        return wrong == [program_name(entry)]

    def renew_program(self, slot: SlotName, entry: Entry, source: Source) -> None:
        """Fetches it beside the old one, which may run. Raises RemoteError and ToolError."""
        for name, file in _files(entry):
            if name == program_name(entry):
                _fetch(source, file, self.path(slot, name))

    def carry_program(self, entry: Entry, slot: SlotName) -> bool:
        """Puts an entry's program beside what lies in a slot, from either one. Whether it is there; ToolError."""
        name, program = program_name(entry), entry.firmware
        if name is None or program is None:
            return False
        wanted = self.path(slot, name)
        found = next((path for one in SLOTS if _is(path := self.path(one, name), program)), None)
        if found is not None and not _is(wanted, program):
            with writing(wanted):
                wanted.unlink(missing_ok=True)
                os.link(found, wanted)
                sync_folder(wanted.parent)
        return found is not None

    def fill(self, slot: SlotName, entry: Entry, source: Source) -> None:
        """Fetches what a slot lacks of an entry; what an earlier try brought of it stays.

        Raises RemoteError, or ToolError when the disk is full.
        """
        folder = self.folder / slot
        parts = {_part(folder / name, file).name for name, file in _files(entry)}
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name not in parts and not any(
                    path.name == name and _is(path, file) for name, file in _files(entry)
                ):
                    path.unlink()
        for name, file in _files(entry):
            if not (folder / name).exists():
                _fetch(source, file, folder / name)

    def contract(self, slot: SlotName, entry: Entry) -> tuple[Contract, JsonObject]:
        """The contract in a slot. Raises Refused when it is not the one that the entry names."""
        path = self.path(slot, CONTRACT)
        contract, value = read_contract(read_bounded(path, CONTRACT_LIMIT_BYTES), where=str(path))
        if contract_digest(value) != f"sha256:{entry.contract}":
            raise Refused(f"{path}: its contract digest is not {entry.contract[:12]}…{_SIGNED}")
        return contract, value


def _files(entry: Entry) -> tuple[tuple[str, EntryFile], ...]:
    files = ((CONTRACT, entry.contract_file), (GOLDEN, entry.golden), (MODEL, entry.model))
    name = program_name(entry)
    return files if name is None or entry.firmware is None else (*files, (name, entry.firmware))


def program_name(entry: Entry) -> str | None:
    """Of the program of a part: two of them lie beside each other until the newer one is what runs."""
    program = entry.firmware if entry.model.kind == "shared-object" else None
    return f"{PROGRAM}-{program.sha256[:16]}" if program is not None else None


def _is(path: Path, file: EntryFile) -> bool:
    try:
        return not path.is_symlink() and path.stat().st_size == file.bytes and digest_file(path) == file.digest
    except OSError:
        return False


def _part(path: Path, file: EntryFile) -> Path:
    """Where a file is until it is whole: no two contents share the place."""
    return path.with_name(f".{path.name}.{file.sha256[:16]}")


def _fetch(source: Source, file: EntryFile, path: Path) -> None:
    """Fetches one file beside its place and renames it there only when its digest is right.

    What came before an interruption stays for the next try. Where that was damaged meanwhile, all of it is fetched.
    """
    part = _part(path, file)
    with writing(path):
        resumed = part.exists() and part.stat().st_size > 0
        if not _fetch_part(source, file, part) and not (resumed and _fetch_part(source, file, part)):
            raise Refused(f"{file.tag}/{file.asset}: was altered: its digest is not {file.digest[:19]}…{_SIGNED}")
        if path.name.startswith(f"{PROGRAM}-"):
            part.chmod(PROGRAM_MODE)
        os.replace(part, path)
        sync_folder(path.parent)


def _fetch_part(source: Source, file: EntryFile, part: Path) -> bool:
    """Whether the whole file is there now; what is wrong, or has no place on the disk, is taken away."""
    try:
        with part.open("a+b") as stream:
            source.asset(file, stream)
            stream.flush()
            os.fsync(stream.fileno())
        right = digest_file(part) == file.digest
    except OSError:
        part.unlink(missing_ok=True)
        raise
    if not right:
        part.unlink()
    return right
