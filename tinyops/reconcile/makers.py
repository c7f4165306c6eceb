"""Which boards of a repository only their makers' platforms build for, and what of these this machine has."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tinyops.boards.model import Board, BoardSpec
from tinyops.doctor import Check
from tinyops.errors import ToolError
from tinyops.firmware import makers
from tinyops.firmware.forms.arduino import builds_locally, libraries_of, makers_project
from tinyops.firmware.makers import AtHand
from tinyops.plan.gates import PROOF_LEVELS
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.specs.loader import Repository, load_repository
from tinyops.specs.model import BoardBinding

WORST = PROOF_LEVELS[-1]


def at_hand(root: Path, report: Callable[[str], None] | None = None) -> dict[str, AtHand]:
    """By board that fleets name: what its platform needs and what is here; with `report` what lacks is fetched."""
    catalog = load_world_catalog(root)
    repository = load_repository(root, catalog=catalog, cache=parse_cache(root))
    found = _ask(wanted(repository, catalog), report)
    _check_demands(repository, found)
    return found


def wanted(repository: Repository, catalog: Mapping[str, Board]) -> dict[str, tuple[BoardSpec, frozenset[str]]]:
    """Each board that only its maker's platform builds for, and the libraries that its fleets' firmware needs."""
    found: dict[str, tuple[BoardSpec, frozenset[str]]] = {}
    for name, binding, over_air in _bindings(repository):
        spec = catalog[name].built_with(binding.framework).spec
        if spec.port == "arduino" and not builds_locally(spec):
            acts = {act.kind for act in binding.act or ()} | over_air
            before = found[name][1] if name in found else frozenset[str]()
            found[name] = (spec, before | libraries_of(spec, getattr(binding.sensor, "name", ""), acts))
    return found


def pins(found: Mapping[str, AtHand]) -> dict[str, dict[str, str]]:
    """What the lock says: the boards whose platform is whole."""
    return {name: at_hand.pins for name, at_hand in found.items() if at_hand.complete}


def lacking(found: Mapping[str, AtHand]) -> dict[str, str]:
    """By board: what keeps it from being more than rendered, and what to type."""
    return {
        name: at_hand.lacking + (f"\n  {at_hand.command}" if at_hand.missing else "")
        for name, at_hand in found.items()
        if not at_hand.complete
    }


def checks(catalog: Mapping[str, Board], needed: Sequence[str]) -> list[Check]:
    """For `tinyops doctor`: one a platform. `needed` are the boards that the lock pins one for."""
    boards = {
        name: (board.built_with("arduino").spec, frozenset[str]())
        for name, board in catalog.items()
        if board.spec.arduino is not None and not builds_locally(board.built_with("arduino").spec)
    }
    try:
        found = _ask(boards, None)
    except ToolError:  # PlatformIO itself is missing, which has a line of its own
        return []
    return [_check(name, at_hand, name in needed) for name, at_hand in found.items()]


def _check(board: str, at_hand: AtHand, needed: bool) -> Check:
    platform = next((need.version for need in at_hand.needs if need.kind == "platform"), None)
    advice = "" if at_hand.complete else lacking({board: at_hand})[board].replace("\n  ", ": ")
    return Check(
        f"platform of {board}", ("built for its board",), platform, None, at_hand.complete, advice, optional=not needed
    )


def _ask(
    boards: Mapping[str, tuple[BoardSpec, frozenset[str]]], report: Callable[[str], None] | None
) -> dict[str, AtHand]:
    if not boards:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "platformio.ini").write_bytes(makers_project(boards))
        if report is not None:
            return makers.install(Path(folder), list(boards), report)
        return makers.probe(Path(folder), list(boards))


def _bindings(repository: Repository) -> Iterator[tuple[str, BoardBinding, set[str]]]:
    """Boards of fleets, and the radio that a part of a chain sends over, if it does."""
    for entry in repository.fleets.values():
        spec = entry.document.spec
        senders = {link.from_ for link in (spec.chain.links if spec.chain else ()) if link.kind == "ble"}
        for target, binding in spec.targets.items():
            yield spec.board_of(target), binding, {"ble"} if target in senders else set()


def _check_demands(repository: Repository, found: Mapping[str, AtHand]) -> None:
    """Raises ToolError where a fleet wants more than a rendered project of a board that cannot be built here."""
    for fleet, entry in repository.fleets.items():
        for board in map(entry.document.spec.board_of, entry.document.spec.targets):
            if board in found and not found[board].complete and entry.document.spec.proof == "built":
                raise ToolError(
                    f"fleet {fleet} wants proof built, and for {board} {found[board].lacking}",
                    hint=f"{found[board].command}; or `tinyops lock --install`; or accept proof: {WORST}",
                )
