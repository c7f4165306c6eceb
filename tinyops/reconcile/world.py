"""What is there: specs, lock, catalogue and the last release; and the plan that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tinyops.artifacts import Record, Step
from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.build.trust import TRUSTED_FILES
from tinyops.datasets.findings import Finding
from tinyops.errors import SpecError, ToolError
from tinyops.files import write_atomic
from tinyops.manifest.document import Manifest
from tinyops.manifest.keys import PublicKey
from tinyops.manifest.progress import Progress
from tinyops.plan import Bound
from tinyops.plan.awaiting import Awaiting
from tinyops.reconcile.opening import open_releases
from tinyops.reconcile.past import Found, Past
from tinyops.reconcile.rollout.published import read_all
from tinyops.reconcile.storing import open_store
from tinyops.reconcile.trusting import awaiting
from tinyops.release.github.patience import Say, nobody
from tinyops.release.store import Release, ReleaseStore
from tinyops.specs.loader import Repository, load_repository
from tinyops.specs.lock import LOCK_FILE, Lock, load_lock, lock_problems
from tinyops.specs.model import Fleet
from tinyops.specs.targets import Targets, all_targets
from tinyops.store import Store

NOTHING_RELEASED = "none"


@dataclass(frozen=True)
class World:
    """Everything that a plan is made from. `release` is None before the first."""

    repository: Repository
    lock: Lock
    catalog: Mapping[str, Board]
    releases: ReleaseStore | None
    release: Release | None

    @property
    def root(self) -> Path:
        return self.repository.root

    @property
    def manifest(self) -> Manifest | None:
        return self.release.manifest if self.release else None

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        from tinyops.build.steps import desired_steps  # what builds is heavy, and who looks at fleets needs none of it

        return desired_steps(self.repository, self.lock, self.catalog)

    @cached_property
    def steps_by_id(self) -> Mapping[str, Step]:
        return {step.id: step for step in self.steps}

    @cached_property
    def store(self) -> Store:
        """The artifact store as one who only looks sees it: without what it takes to open its URL, the folder."""
        with suppress(ToolError):
            return open_store(self.repository)
        return open_store(self.repository, remote=False)

    @property
    def released_records(self) -> Mapping[str, Record]:
        return self.manifest.steps if self.manifest else {}

    @cached_property
    def past(self) -> Past | None:
        """The releases up to the last one; None before the first."""
        if self.releases is None or self.manifest is None:
            return None
        return Past(self.releases, self.manifest.version, self.root / ".tinyops" / "past" / self.manifest.project)

    @cached_property
    def offered(self) -> Manifest | None:
        """The release that devices are offered: the last one, or while that waits for signatures an earlier one."""
        if self.releases is None or self.manifest is None:
            return self.manifest
        version = self.releases.offered()
        if version == self.manifest.version:
            return self.manifest
        return self.releases.read(version).manifest if version else None

    @cached_property
    def progress(self) -> Mapping[str, Progress]:
        """How far rollouts are, by fleet, as far as anybody said; quarantines count however old they are."""
        return {fleet: held.progress for fleet, held in read_all(self.repository, self.manifest).items()}

    @cached_property
    def by_kind_and_key(self) -> Mapping[tuple[str, str], Record]:
        return {(step.partition(":")[0], record.key): record for step, record in self.released_records.items()}

    @cached_property
    def pins(self) -> Mapping[str, Found]:
        """By the key of its step, each int8 model that a fleet is pinned to. Raises SpecError for one nobody holds."""
        from tinyops.reconcile.pins import find_pins

        return find_pins(self.repository, self.past)

    def recall(self, step: Step, key: str) -> Record | None:
        """What a release, the last one or an earlier one, holds of a step with this key."""
        if key in self.pins:
            return self.pins[key].record
        record = self.released_records.get(step.id)
        if record is None or record.key != key:
            record = self.by_kind_and_key.get((step.kind, key))
        if record is None and self.past is not None and (found := self.past.find(step.kind, key)) is not None:
            record = found.record
        return replace(record, step=step.id) if record is not None else None

    @cached_property
    def data_findings(self) -> Mapping[str, tuple[Finding, ...]]:
        """What the checks say of each dataset with an index. Raises SpecError for an index that cannot be read."""
        from tinyops.reconcile.data_findings import judge_indexes

        return judge_indexes(self.repository, self.released_records, parse_cache(self.root))

    @property
    def fleets(self) -> dict[str, Fleet]:
        return {name: entry.document for name, entry in self.repository.fleets.items()}

    @cached_property
    def targets(self) -> Targets:
        """What is made for each kind of board, or part of a chain, of each fleet."""
        return all_targets(self.repository)

    @property
    def bound(self) -> Bound:
        release = self.release.digest if self.release else NOTHING_RELEASED
        return Bound(self.repository.digest, self.lock.digest, self.repository.files_digest, release)


def load_world_catalog(root: Path) -> Mapping[str, Board]:
    boards = root / "specs" / "boards"
    return load_catalog(boards if boards.is_dir() else None, cache=parse_cache(root))


def observe(root: Path, *, lock_file: Path | None = None, say: Say = nobody) -> World:
    """Reads specs, lock and the last release, `say` is told of waits. Raises SpecError with all that is wrong."""
    catalog = load_world_catalog(root)
    repository = load_repository(root, catalog=catalog, cache=parse_cache(root))
    lock = load_lock(lock_file or root / LOCK_FILE, cache=parse_cache(root))
    if problems := lock_problems(lock, repository, catalog):
        raise SpecError(problems)
    releases = open_releases(repository, say)
    return World(repository, lock, catalog, releases, releases.latest() if releases else None)


def trust_new_key(root: Path, key: PublicKey, file: Path | None = None) -> Path:
    """Adds a public key to those that this machine trusts with releases, or to a file; returns the file."""
    path = file or root / TRUSTED_FILES[1]
    before = path.read_bytes() if path.exists() else b""
    write_atomic(path, before + key.to_pem())
    return path


def released(root: Path) -> Release | None:
    """The last release, or None before the first."""
    return last_release(root)[0]


@dataclass(frozen=True)
class Held:
    """What is there without the lock: specs, where releases go, and the last one."""

    repository: Repository
    releases: ReleaseStore | None
    release: Release | None


def hold(root: Path, say: Say = nobody) -> Held:
    """For what needs no build: a lock that is behind the specs is nobody's concern here."""
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    releases = open_releases(repository, say)
    return Held(repository, releases, releases.latest() if releases else None)


def last_release(root: Path) -> tuple[Release | None, Awaiting | None]:
    """The last release, or None before the first; and whether it waits for people."""
    held = hold(root)
    return held.release, awaiting(held.repository, held.releases, held.release)


def parse_cache(root: Path) -> Path:
    return root / ".tinyops" / "parsed"
