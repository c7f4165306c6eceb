"""The files of a repository that specs name: inside it, there, and with the digest that plans are bound to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tinyops.documents.reading import Loc
from tinyops.files import MIB, digest_file
from tinyops.specs.dataset import FilesSource, RecordingsSource
from tinyops.specs.faults import Fault
from tinyops.specs.layers import PythonArchitecture, TfliteArchitecture
from tinyops.specs.model import AnyDocument, BoardBinding, Dataset, Fleet, Model, Project, ReplaySensor

NAMED_FILE_LIMIT_BYTES = 256 * MIB
DEVICES_FILE: Loc = ("spec", "devices", "file")
MEMBERS_FILE: Loc = ("spec", "chain", "members", "file")


@dataclass(frozen=True)
class NamedFile:
    """A path as a spec writes it, where it stands, and the digest that the spec demands of it."""

    loc: Loc
    path: str
    sha256: str | None = None
    begins: str = ""  # the first line of a file that tinyops fills


def named_files(document: AnyDocument) -> Iterator[NamedFile]:
    """Every committed file that a document names."""
    if isinstance(document, Dataset):
        for number, source in enumerate(document.spec.sources):
            if isinstance(source, FilesSource | RecordingsSource):
                begins = "sha256,label" if isinstance(source, RecordingsSource) else ""
                yield NamedFile(("spec", "sources", number, "index"), source.index, begins=begins)
    elif isinstance(document, Model):
        yield from _model_files(document)
    elif isinstance(document, Fleet):
        yield from _fleet_files(document)
    elif isinstance(document, Project) and document.spec.artifacts.trusted is not None:
        yield NamedFile(("spec", "artifacts", "trusted"), document.spec.artifacts.trusted)


def _model_files(model: Model) -> Iterator[NamedFile]:
    architecture = model.spec.architecture
    if isinstance(architecture, TfliteArchitecture):
        yield NamedFile(("spec", "architecture", "file"), architecture.file, architecture.sha256)
    elif isinstance(architecture, PythonArchitecture):
        yield NamedFile(("spec", "architecture", "entry"), architecture.entry.rpartition(":")[0])


def _fleet_files(fleet: Fleet) -> Iterator[NamedFile]:
    chain = fleet.spec.chain
    bound: list[tuple[Loc, BoardBinding]] = [(("spec", "boards", n), b) for n, b in fleet.spec.boards.items()]
    bound += [(("spec", "chain", "parts", n), part) for n, part in enumerate(chain.parts if chain else ())]
    for place, binding in bound:
        if isinstance(binding.sensor, ReplaySensor):
            yield NamedFile((*place, "sensor", "file"), binding.sensor.file)
    if chain is not None and chain.members is not None:
        yield NamedFile(MEMBERS_FILE, chain.members.file)
    if fleet.spec.devices.file is not None:
        yield NamedFile(DEVICES_FILE, fleet.spec.devices.file)


def locate_file(named: NamedFile, folder: Path, root: Path) -> Path | Fault:
    """The real path of a committed file, or why it cannot be one. Links are followed and must stay inside."""
    if "\0" in named.path or "\\" in named.path or PurePosixPath(named.path).is_absolute():
        return Fault(named.loc, f"{named.path!r} is not a relative path", "write it from this file's folder, with /")
    path = (folder / named.path).resolve()
    if not path.is_relative_to(root):
        return Fault(named.loc, f"{named.path} lies outside the repository", "bring the file into the repository")
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        return Fault(named.loc, f"{named.path} {what}", _missing(named, path.relative_to(root).as_posix()))
    return path


def _missing(named: NamedFile, place: str) -> str:
    if named.loc == DEVICES_FILE:
        return f"`touch {place}` makes an empty list, `tinyops enrol` writes its lines"
    if named.begins:
        return f"`echo {named.begins} > {place}` begins one, `tinyops collect` and `tinyops data add` write its lines"
    return f"looked for {place}"


def digest_named(named: NamedFile, path: Path) -> str | Fault:
    """The file's digest, or why it is not what the spec says."""
    try:
        if path.stat().st_size > NAMED_FILE_LIMIT_BYTES:
            return Fault(named.loc, f"{named.path} is larger than {NAMED_FILE_LIMIT_BYTES:,} bytes")
        found = digest_file(path)
    except OSError as error:
        return Fault(named.loc, f"{named.path} cannot be read: {error.strerror}")
    if named.sha256 is not None and found != named.sha256:
        hint = f'if the change is meant, write sha256: "{found}"'
        return Fault(named.loc, f"{named.path} is not the file with the digest that the spec names", hint)
    return found
