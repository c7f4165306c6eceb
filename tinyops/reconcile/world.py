"""What is there: specs, lock, catalogue and the last release; and the plan that follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tinyops.artifacts import Record, Step, Store
from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.build.steps import desired_steps
from tinyops.build.trust import TRUSTED_FILES
from tinyops.errors import SpecError, UnsafePlan, UsageError
from tinyops.files import write_atomic
from tinyops.manifest.document import Manifest
from tinyops.manifest.keys import PublicKey
from tinyops.plan import Bound, Plan, make_plan
from tinyops.plan.gates import missed_gates
from tinyops.reconcile.opening import Say, nobody, open_releases
from tinyops.release.store import Release, ReleaseStore
from tinyops.specs.loader import Repository, load_repository
from tinyops.specs.lock import LOCK_FILE, Lock, load_lock, lock_problems
from tinyops.specs.model import Fleet

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
        return desired_steps(self.repository, self.lock, self.catalog)

    @property
    def store(self) -> Store:
        project = self.repository.project
        return Store((project.path.parent / project.document.spec.artifacts.url).resolve())

    @property
    def released_records(self) -> Mapping[str, Record]:
        return self.manifest.steps if self.manifest else {}

    @property
    def fleets(self) -> dict[str, Fleet]:
        return {name: entry.document for name, entry in self.repository.fleets.items()}

    @property
    def bound(self) -> Bound:
        release = self.release.digest if self.release else NOTHING_RELEASED
        return Bound(self.repository.digest, self.lock.digest, release)


def load_world_catalog(root: Path) -> Mapping[str, Board]:
    boards = root / "specs" / "boards"
    return load_catalog(boards if boards.is_dir() else None, cache=parse_cache(root))


def observe(root: Path, *, lock_file: Path | None = None, say: Say = nobody) -> World:
    """Reads specs, lock and the last release, `say` is told of waits. Raises SpecError with all that is wrong."""
    catalog = load_world_catalog(root)
    repository = load_repository(root, catalog=catalog, cache=parse_cache(root))
    lock = load_lock(lock_file or root / LOCK_FILE, cache=parse_cache(root))
    if problems := lock_problems(lock, repository, catalog):
        raise SpecError(problems, hint="run `tinyops lock` and commit what it writes")
    releases = open_releases(repository, say)
    return World(repository, lock, catalog, releases, releases.latest() if releases else None)


def trust_new_key(root: Path, key: PublicKey) -> Path:
    """Adds a public key to those that this machine trusts; returns their file."""
    path = root / TRUSTED_FILES[1]
    before = path.read_bytes() if path.exists() else b""
    write_atomic(path, before + key.to_pem())
    return path


def released(root: Path) -> Release | None:
    """The last release, or None before the first."""
    releases = open_releases(load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root)))
    return releases.latest() if releases else None


def parse_cache(root: Path) -> Path:
    return root / ".tinyops" / "parsed"


def plan_of(world: World, *, replace: Iterable[str] = ()) -> Plan:
    """What apply would do. Raises UnsafePlan for what must not happen by accident."""
    wanted = frozenset(replace)
    if unknown := sorted(wanted - {step.id for step in world.steps}):
        raise UsageError(f"--replace {unknown[0]}: no such step", hint="`tinyops plan --all` lists every step")
    retired = {line.fleet: line for line in world.repository.project.document.spec.retired}
    released = _released_fleets(world.manifest)
    _refuse_lost_fleets(world, set(retired), released)
    desired: dict[str, Any] = {name: fleet_json(fleet) for name, fleet in world.fleets.items()}
    desired |= {n: {**released[n], "retired": True} for n in retired if n in released and n not in desired}
    return make_plan(
        project=world.repository.project.document.metadata.name,
        steps=world.steps,
        fleets=desired,
        released=world.released_records,
        released_fleets=released,
        released_version=world.manifest.version if world.manifest else 0,
        bound=world.bound,
        replace=wanted,
        held=missed_when_released(world),
        left_out={
            h.fleet: f"held since v{h.since}: {h.reason}" for h in (world.manifest.held if world.manifest else ())
        },
    )


def missed_when_released(world: World) -> dict[str, tuple[str, ...]]:
    """Which gates of today's specs the released figures miss, by fleet: a gate may be newer than its model."""
    missed = {}
    for name, fleet in world.fleets.items():
        squeezed = world.released_records.get(f"squeeze:{fleet.spec.model_name}/int8")
        gates = world.repository.models[fleet.spec.model_name].document.spec.gates
        if squeezed is not None and (reasons := missed_gates(gates, squeezed.facts)):
            missed[name] = reasons
    return missed


def fleet_json(fleet: Fleet) -> dict[str, Any]:
    """What of a fleet its devices see, beside the files that its steps make."""
    return {
        "model": fleet.spec.model_name,
        "security_counter": fleet.spec.security_counter,
        "boards": sorted(fleet.spec.boards),
        "retired": False,
    }


def _released_fleets(manifest: Manifest | None) -> dict[str, Any]:
    return {
        name: {
            "model": entry.model,
            "security_counter": entry.security_counter,
            "boards": sorted(entry.boards),
            "retired": entry.retired is not None,
        }
        for name, entry in (manifest.fleets if manifest else {}).items()
    }


def _refuse_lost_fleets(world: World, retired: set[str], released: Mapping[str, Any]) -> None:
    for name, entry in released.items():
        if name not in world.fleets and name not in retired and not entry["retired"]:
            raise UnsafePlan(
                f"fleet {name} is released but no spec names it: its devices would lose their entry",
                hint=f"bring its spec back, or list {name} under the project's `retired` with an action and a date",
            )
        if name in world.fleets and released[name]["security_counter"] > world.fleets[name].spec.security_counter:
            raise UnsafePlan(
                f"fleet {name}: security_counter {world.fleets[name].spec.security_counter} is lower than the "
                f"released {released[name]['security_counter']}: devices would refuse the release",
                hint="a security counter only rises",
            )
