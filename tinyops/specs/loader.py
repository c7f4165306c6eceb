"""All specs of a repository as one frozen value, or everything that is wrong with them at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from tinyops.artifacts import Source
from tinyops.boards.model import Board
from tinyops.documents import ParseCache, YamlDocument, closest, read, shown_path, validate
from tinyops.documents.reading import Loc
from tinyops.errors import Problem, SpecError
from tinyops.files import digest_json
from tinyops.specs.augment_rules import background_faults, named_backgrounds
from tinyops.specs.board_rules import UNKNOWN, binding_faults
from tinyops.specs.chain_rules import chain_faults
from tinyops.specs.class_shares import class_share_faults
from tinyops.specs.dataset import DatasetSpec, RecordingsSource, Signal
from tinyops.specs.faults import Fault
from tinyops.specs.files import NamedFile, digest_named, locate_file, named_files
from tinyops.specs.layers import TfliteArchitecture
from tinyops.specs.model import KINDS, AnyDocument, Dataset, Fleet, Model, Project
from tinyops.specs.model_rules import model_faults
from tinyops.specs.not_yet import NOT_YET
from tinyops.specs.pin_rules import pin_faults
from tinyops.specs.rollout_rules import rollout_faults
from tinyops.specs.store_rules import recordings_faults, store_faults
from tinyops.specs.trust_rules import trust_faults
from tinyops.specs.variant_rules import argument_faults, teacher_faults, variant_faults

SPECS_FOLDER = "specs"
LOCK_NAME = "tinyops.lock.yaml"
BOARDS_FOLDER = "boards"
FILES_LIMIT = 20_000

DocumentT = TypeVar("DocumentT", bound=AnyDocument, covariant=True)


@dataclass(frozen=True)
class Loaded(Generic[DocumentT]):
    """A document and the file that holds it; `yaml` knows where each of its values stands."""

    document: DocumentT
    path: Path
    yaml: YamlDocument

    @property
    def file(self) -> str:
        """The file as messages show it."""
        return self.yaml.file

    def problem(self, fault: Fault) -> Problem:
        return self.yaml.problem(fault.loc, fault.message, fault.hint, key=fault.key)


@dataclass(frozen=True)
class Repository:
    """The specs of one repository. `root` is absolute; mappings are by name, in order of name."""

    root: Path
    project: Loaded[Project]
    datasets: Mapping[str, Loaded[Dataset]]
    models: Mapping[str, Loaded[Model]]
    fleets: Mapping[str, Loaded[Fleet]]
    digest: str = field(repr=False)
    digests: Mapping[Path, str] = field(repr=False)

    @cached_property
    def files_digest(self) -> str:
        """Of every file that specs name: paths in the repository and contents."""
        return digest_json([[p.relative_to(self.root).as_posix(), d] for p, d in sorted(self.digests.items())])

    def find(self, kind: str, name: str) -> Loaded[AnyDocument]:
        """A document by kind and name. Raises KeyError when there is none."""
        if kind == "Project":
            return self.project
        by_kind: Mapping[str, Mapping[str, Loaded[AnyDocument]]] = {
            "Dataset": self.datasets,
            "Model": self.models,
            "Fleet": self.fleets,
        }
        return by_kind[kind][name]

    def problem_at(self, kind: str, name: str, loc: Loc, message: str, hint: str = "") -> Problem:
        """A Problem at a place of a document, for what is found out after loading."""
        return self.find(kind, name).problem(Fault(loc, message, hint))

    def resolve(self, entry: Loaded[AnyDocument], path: str) -> Path:
        """A path that a document names, absolute; it need not exist or lie in the repository."""
        return (entry.path.parent / path).resolve()

    def source(self, entry: Loaded[AnyDocument], path: str) -> Source:
        """A committed file that a document names, with the digest it had when it was loaded."""
        resolved = self.resolve(entry, path)
        return Source(resolved, self.digests[resolved])

    @property
    def documents(self) -> Iterator[Loaded[AnyDocument]]:
        yield self.project
        for entries in (self.datasets, self.models, self.fleets):
            yield from entries.values()


def load_repository(root: Path, *, catalog: Mapping[str, Board], cache: Path | None = None) -> Repository:
    """Reads every spec below `root/specs`; `cache` is a folder for what parsing need not repeat.

    Raises SpecError with all problems of all files.
    """
    root = root.resolve()
    read_in = read_documents(root, cache)
    checker = _Checker(root, read_in, catalog)
    problems = [*read_in.problems, *checker.check()]
    if problems:
        raise SpecError(problems)
    return checker.repository()


def spec_files(root: Path) -> list[Path]:
    """The spec files of a repository in order of path, without the lock and boards of the user's own.

    Raises SpecError when there is no specs folder, or a file there is no spec by its name.
    """
    folder = root / SPECS_FOLDER
    if not folder.is_dir():
        raise SpecError(f"{shown_path(folder)}: there is no such folder", hint="`tinyops init` makes a repository")
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (here != folder or f != BOARDS_FOLDER))
        found += [here / name for name in names if _is_spec(name) and (name != LOCK_NAME or here != folder)]
        if len(found) > FILES_LIMIT:
            raise SpecError(f"{shown_path(folder)}: more than {FILES_LIMIT:,} spec files")
    return sorted(found)


def _is_spec(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) and not name.startswith(".")


@dataclass
class ReadIn:
    """What was read: documents that are right, problems of the others, and which names those others have."""

    entries: list[Loaded[AnyDocument]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    broken: set[tuple[str, str]] = field(default_factory=set)
    unreadable: bool = False

    def may_exist(self, kind: str, name: str) -> bool:
        """Whether a missing document may be one that is reported already: then its absence is no news."""
        return self.unreadable or (kind, name) in self.broken

    def add(self, document: YamlDocument, path: Path) -> None:
        checked = _validate(document)
        if not isinstance(checked, list):
            self.entries.append(Loaded(checked, path, document))
            return
        self.problems += checked
        metadata = document.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        self.broken.add((str(document.value.get("kind")), str(name)))


def read_documents(root: Path, cache: Path | None) -> ReadIn:
    """Every document below `root/specs` by itself, without the rules across them and the files that they name."""
    parsed = ParseCache(cache, "specs") if cache is not None else None
    found = ReadIn()
    for path in spec_files(root):
        try:
            documents = _read_spec(path, root, parsed)
        except SpecError as error:
            found.problems += error.problems
            found.unreadable = True
            continue
        for document in documents:
            found.add(document, path)
    if parsed is not None:
        parsed.save()
    return found


def _read_spec(path: Path, root: Path, cache: ParseCache | None) -> tuple[YamlDocument, ...]:
    if path.suffix == ".yml":
        hint = f"rename it to {path.stem}.yaml"
        raise SpecError([Problem(shown_path(path), 1, 1, "spec files end in .yaml", hint)])
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        raise SpecError([Problem(shown_path(path), 1, 1, "leads out of the repository", "bring the file into it")])
    if not path.is_file():
        raise SpecError([Problem(shown_path(path), 1, 1, "is not a file")])
    return read(path, cache)


def _validate(document: YamlDocument) -> AnyDocument | list[Problem]:
    kind = document.value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return [_wrong_kind(document, kind)]
    return validate(document, KINDS[kind], NOT_YET)


def _wrong_kind(document: YamlDocument, kind: object) -> Problem:
    known = f"kinds: {', '.join(KINDS)}"
    if "kind" not in document.value:
        return document.problem((), 'field "kind" is missing', known)
    if kind in ("Board", "Lock"):
        where = f"{SPECS_FOLDER}/{BOARDS_FOLDER}/" if kind == "Board" else f"{SPECS_FOLDER}/{LOCK_NAME}"
        return document.problem(("kind",), f"a {kind} does not belong into this file", f"it belongs into {where}")
    return document.problem(("kind",), f"there is no kind {kind!r}"[:120], closest(kind, KINDS))


class _Checker:
    """Rules across documents. Names that are missing are reported once, not by every rule that needs them."""

    def __init__(self, root: Path, read_in: ReadIn, catalog: Mapping[str, Board]) -> None:
        self.root = root
        self.catalog = catalog
        self.read_in = read_in
        self.entries = read_in.entries
        self.digests: dict[Path, str] = {}
        self.by_kind: dict[str, dict[str, Loaded[Any]]] = {kind: {} for kind in KINDS}
        self.repeated: list[Problem] = []
        for entry in self.entries:
            self._add(entry)

    def check(self) -> list[Problem]:
        rules: Mapping[str, Callable[[Any], Iterator[Fault]]] = {
            "Project": self._project_faults,
            "Dataset": self._dataset_faults,
            "Model": self._model_faults,
            "Fleet": self._fleet_faults,
        }
        problems = [*self.repeated, *self._project_count()]
        for entry in self.entries:
            rule = rules.get(entry.document.kind)
            faults = [*(rule(entry.document) if rule else ()), *self._file_faults(entry)]
            problems += [entry.problem(fault) for fault in faults]
        return problems

    def repository(self) -> Repository:
        (project,) = self.by_kind["Project"].values()
        datasets, models, fleets = (
            MappingProxyType(dict(sorted(self.by_kind[kind].items()))) for kind in ("Dataset", "Model", "Fleet")
        )
        digest = digest_json([[e.path.relative_to(self.root).as_posix(), e.yaml.value] for e in self.entries])
        return Repository(self.root, project, datasets, models, fleets, digest, MappingProxyType(self.digests))

    def _add(self, entry: Loaded[AnyDocument]) -> None:
        kind, name = entry.document.kind, entry.document.name
        first = self.by_kind[kind].setdefault(name, entry)
        if first is not entry:
            line, _ = first.yaml.locate(("metadata", "name"))
            message = f"{kind} {name!r} exists already, in {first.file}:{line}"
            self.repeated.append(entry.problem(Fault(("metadata", "name"), message, "give each its own name")))

    def _project_count(self) -> Iterator[Problem]:
        projects = [e for e in self.entries if e.document.kind == "Project"]
        broken = any(kind == "Project" for kind, _ in self.read_in.broken)
        if not projects and not broken and not self.read_in.unreadable:
            folder = shown_path(self.root / SPECS_FOLDER)
            hint = "one document of kind Project says where releases go; `tinyops init` writes one"
            yield Problem(f"{folder}/project.yaml", 1, 1, "there is no Project in this repository", hint)
        for entry in projects[1:]:
            first = f"{projects[0].file}:{projects[0].yaml.locate(())[0]}"
            yield entry.problem(Fault(("kind",), f"a second Project; the first is in {first}", "keep one"))

    def _project_faults(self, project: Project) -> Iterator[Fault]:
        for number, retired in enumerate(project.spec.retired):
            loc: Loc = ("spec", "retired", number, "fleet")
            if retired.fleet in self.by_kind["Fleet"]:
                yield Fault(loc, f"fleet {retired.fleet} is retired, but its spec exists", "remove one of the two")
            if retired.fleet in [r.fleet for r in project.spec.retired[:number]]:
                yield Fault(loc, f"fleet {retired.fleet} is retired twice", "remove one")
            if retired.action == "erase":
                where: Loc = ("spec", "retired", number, "action")
                yield Fault(where, "erasing what devices run is not part of this version", "action: keep")
        for name in ("releases.path", "reports.path", "metadata.path"):
            yield from self._url_faults(project, *name.split("."))
        yield from store_faults(project.spec.artifacts)
        yield from trust_faults(project.spec.signing, project.spec.metadata, self.root)

    def _dataset_faults(self, dataset: Dataset) -> Iterator[Fault]:
        for number, source in enumerate(dataset.spec.sources):
            if isinstance(source, RecordingsSource):
                yield from recordings_faults(source, ("spec", "sources", number))

    def _url_faults(self, project: Project, owner: str, name: str) -> Iterator[Fault]:
        value = getattr(getattr(project.spec, owner), name, "")
        if "://" in value:
            yield Fault(("spec", owner, name), f"{value}: URLs are not part of this version", "name a folder")
        elif "\0" in value:
            yield Fault(("spec", owner, name), "is not a path")

    def _model_faults(self, model: Model) -> Iterator[Fault]:
        name = model.spec.dataset
        datasets = self.by_kind["Dataset"]
        if name is not None and name not in datasets and not self.read_in.may_exist("Dataset", name):
            yield Fault(("spec", "dataset"), f"there is no Dataset {name!r}", closest(name, datasets))
        dataset = datasets[name].document.spec if name in datasets else None
        yield from model_faults(model.spec, dataset)
        yield from self._background_faults(model, dataset)
        yield from self._variant_faults(model)

    def _background_faults(self, model: Model, own: DatasetSpec | None) -> Iterator[Fault]:
        datasets = self.by_kind["Dataset"]
        for loc, name in named_backgrounds(model.spec):
            if name not in datasets and not self.read_in.may_exist("Dataset", name):
                yield Fault(loc, f"there is no Dataset {name!r}", closest(name, datasets))
        if own is not None:
            yield from background_faults(model.spec, own, {n: e.document.spec for n, e in datasets.items()})

    def _variant_faults(self, model: Model) -> Iterator[Fault]:
        yield from variant_faults(model.spec)
        specs, datasets = (
            {name: entry.document.spec for name, entry in self.by_kind[kind].items()} for kind in ("Model", "Dataset")
        )
        yield from teacher_faults(model.name, specs, datasets, self.read_in.may_exist)

    def _fleet_faults(self, fleet: Fleet) -> Iterator[Fault]:
        name = fleet.spec.model_name
        models = self.by_kind["Model"]
        if name not in models and not self.read_in.may_exist("Model", name):
            yield Fault(("spec", "model"), f"there is no Model {name!r}", closest(name, models))
        when = fleet.spec.promote_when
        if (
            when is not None
            and when.fleet not in self.by_kind["Fleet"]
            and not self.read_in.may_exist("Fleet", when.fleet)
        ):
            hint = closest(when.fleet, self.by_kind["Fleet"])
            yield Fault(("spec", "promote_when", "fleet"), f"there is no Fleet {when.fleet!r}", hint)
        projects = [*self.by_kind["Project"].values()]
        yield from rollout_faults(fleet.spec, projects[0].document.spec if projects else None)
        dataset = self.by_kind["Dataset"].get(models[name].document.spec.dataset or "") if name in models else None
        yield from class_share_faults(fleet.spec, dataset.document.spec if dataset else None)
        known, signal = self._signal(models[name].document) if name in models else (False, None)
        if not fleet.spec.targets:
            yield Fault(("spec",), "names no boards", "boards: {linux: {sensor: {kind: stream}}}", key=True)
        yield from chain_faults(fleet.spec, signal if known else UNKNOWN, self.catalog)
        yield from pin_faults(fleet.spec)
        for board, binding in fleet.spec.boards.items():
            yield from binding_faults(board, binding, signal, self.catalog, signal_known=known)

    def _signal(self, model: Model) -> tuple[bool, Signal | None]:
        """Whether what a model takes is known, and its frames: None for tensors."""
        if model.spec.dataset is None or model.spec.input.takes_tensors:
            return isinstance(model.spec.architecture, TfliteArchitecture), None
        dataset = self.by_kind["Dataset"].get(model.spec.dataset)
        return dataset is not None, dataset.document.spec.signal if dataset is not None else None

    def _file_faults(self, entry: Loaded[AnyDocument]) -> Iterator[Fault]:
        for named in named_files(entry.document):
            path = locate_file(named, entry.path.parent, self.root)
            found = path if isinstance(path, Fault) else self._digest(named, path)
            if isinstance(found, Fault):
                yield found
            elif isinstance(path, Path) and isinstance(entry.document, Model):
                yield from argument_faults(entry.document.spec, path)

    def _digest(self, named: NamedFile, path: Path) -> str | Fault:
        found = digest_named(named, path)
        if not isinstance(found, Fault):
            self.digests[path] = found
        return found
