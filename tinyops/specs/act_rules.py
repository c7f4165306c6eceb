"""Rules for what a fleet's boards do with results: each board can do it, and nothing is asked for twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyops.boards.model import Board
from tinyops.documents.reading import Loc
from tinyops.specs.acts import AnyAct, HttpAct
from tinyops.specs.faults import Fault
from tinyops.specs.model import BoardBinding

_WHAT = {"led": "light an LED", "ble": "notify over Bluetooth", "http": "post to a server"}
_WHY = {
    "led": "{who} drives none",
    "ble": "{who} has no Bluetooth stack",
    "http": "{who} has no network stack, or no settings to keep the network's password in",
}


def act_faults(loc: Loc, binding: BoardBinding, board: Board, catalog: Mapping[str, Board]) -> Iterator[Fault]:
    """What of a board's `act` cannot be done; `loc` is the board's place."""
    seen: set[str] = set()
    for number, act in enumerate(binding.act or ()):
        place: Loc = (*loc, "act", number)
        if act.kind in seen:
            yield Fault(place, f"{act.kind} stands twice", "name each once")
        elif act.kind not in board.spec.acts(binding.framework):
            message = f"{board.name} cannot {_WHAT[act.kind]}: {_WHY[act.kind].format(who=_firmware(binding, board))}"
            yield Fault(place, message, _would_do(act, board, binding, catalog))
        elif isinstance(act, HttpAct):
            yield from _url_faults((*place, "url"), act, board, catalog)
        seen.add(act.kind)


def _firmware(binding: BoardBinding, board: Board) -> str:
    framework = binding.framework or next(iter(board.spec.frameworks), None)
    return f"its {framework} firmware" if framework else f"its {'page' if board.spec.port == 'browser' else 'agent'}"


def _would_do(act: AnyAct, board: Board, binding: BoardBinding, catalog: Mapping[str, Board]) -> str:
    for framework in board.spec.frameworks:
        if framework != binding.framework and act.kind in board.spec.acts(framework):
            return f"its {framework} firmware can: framework: {framework}"
    return f"boards that can: {', '.join(_able(act, catalog)) or 'none'}"


def _able(act: AnyAct, catalog: Mapping[str, Board]) -> list[str]:
    """Boards that can do it, and how their firmware must be made where their default cannot."""
    found = []
    for name, board in sorted(catalog.items()):
        frameworks = (None, *board.spec.frameworks[1:])
        able = [f for f in frameworks if act.kind in board.spec.acts(f) and _reaches(act, board)]
        if able:
            found.append(f"{name} (framework: {able[0]})" if able[0] else name)
    return found


def _reaches(act: AnyAct, board: Board) -> bool:
    return not isinstance(act, HttpAct) or not _obstacle(act, board)


def _url_faults(loc: Loc, act: HttpAct, board: Board, catalog: Mapping[str, Board]) -> Iterator[Fault]:
    if why := _obstacle(act, board):
        yield Fault(loc, f"{board.name} cannot post there: {why}", f"boards that can: {', '.join(_able(act, catalog))}")


def _obstacle(act: HttpAct, board: Board) -> str:
    """Why a board that can post cannot post to this very URL; "" where it can."""
    if board.spec.port == "browser" and not act.encrypted and not act.loopback:
        return "a page may send to https URLs only, or to localhost"
    radio = board.spec.arduino.acts.get("http") if board.spec.frameworks and board.spec.arduino else None
    if radio and act.loopback:
        return f"{act.parts.hostname} is the board itself"
    if radio and act.encrypted and not radio.encrypted:
        return "its firmware has no certificates to check an https server with"
    return ""
