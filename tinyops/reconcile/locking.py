"""The lock that this machine and these specs would give, and how it differs from the one committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tinyops.errors import Problem, SpecError, ToolError
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.specs.loader import load_repository
from tinyops.specs.lock import Lock, load_lock
from tinyops.specs.locking import make_lock
from tinyops.toolchain import installed

# Sections that say what is installed; the others follow from the specs and from tinyops itself.
MACHINE_SECTIONS = ("compilers", "emulators", "python", "platforms")


def lock_of(root: Path, platforms: Mapping[str, Mapping[str, str]] | None = None) -> Lock:
    """The lock for a repository with this machine's tools; `platforms` as `make_lock` takes them.

    Raises ToolError naming what is missing.
    """
    catalog = load_world_catalog(root)
    repository = load_repository(root, catalog=catalog, cache=parse_cache(root))
    return make_lock(repository, catalog, program_version=lambda name: installed(name).version, platforms=platforms)


def compare(root: Path, path: Path, now: Lock) -> None:
    """Raises SpecError when the committed lock no longer follows from specs and tinyops, ToolError when
    it does and only this machine's tools are others.
    """
    committed = load_lock(path, cache=parse_cache(root))
    differences = list(_differences(committed, now))
    stale = [(loc, text) for loc, text in differences if loc[0] not in MACHINE_SECTIONS]
    if stale:
        raise SpecError([_problem(committed, loc, text) for loc, text in stale])
    if differences:
        raise ToolError(
            "\n".join(f"{path}: {'.'.join(loc)}: {text}" for loc, text in differences),
            hint="install what the lock wants, use the devcontainer, or have a new lock reviewed",
        )


def _problem(lock: Lock, loc: tuple[str, ...], text: str) -> Problem:
    return lock.problem(loc, f"{'.'.join(loc)}: {text}")


def _differences(committed: Lock, now: Lock) -> Iterator[tuple[tuple[str, ...], str]]:
    before, after = committed.model_dump(mode="json"), now.model_dump(mode="json")
    for section in after:
        if not isinstance(after[section], dict):
            continue
        for name in sorted({*before[section], *after[section]}):
            old, new = before[section].get(name), after[section].get(name)
            if old != new and (section, old) != ("platforms", None):  # a lock may leave a board rendered
                absent = "nothing" if section == "platforms" else "not wanted"
                yield (section, name), f"the lock has {_shown(old) or 'nothing'}, here it is {_shown(new) or absent}"


def _shown(pin: str | Mapping[str, str] | None) -> str:
    return ", ".join(f"{name} {version}" for name, version in pin.items()) if isinstance(pin, Mapping) else pin or ""
