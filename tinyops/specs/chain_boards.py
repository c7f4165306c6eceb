"""What boards can be in a chain: whether they run a part, over what they receive and send, and by which line."""

from __future__ import annotations

from collections.abc import Mapping

from tinyops.boards.model import Board, ChainLinks, Framework
from tinyops.specs.chain import Chain, Part


def framework_of(board: Board, part: Part | None) -> Framework | None:
    """What a part's firmware is made with; None: it has an operating system."""
    return (part.framework if part else None) or next(iter(board.spec.frameworks), None)


def no_part(board: Board, part: Part | None = None) -> str:
    """Why a board runs no part, whatever its links; "" where it does."""
    framework = framework_of(board, part)
    if framework not in (None, *board.spec.frameworks):
        return f"there is no {framework} firmware of it"
    if framework == "library":
        return f"there is no {framework} firmware of a part"
    if board.spec.model_form == "linked":
        return "its model is linked into its firmware, and a part's must be switched with those of the others"
    if framework == "arduino" and not _has_slots(board):
        return "its firmware cannot write the flash that models lie in, and a part's must be switched with the others'"
    links = links_of(board, part)
    return "" if links.receives or links.sends else "it has no link to another board"


def _has_slots(board: Board) -> bool:
    layout = board.built_with("arduino").spec.layout
    return layout is not None and None not in (layout.state, layout.settings)


def links_of(board: Board, part: Part | None = None) -> ChainLinks:
    """Over what a part on it receives and sends."""
    spec, links = board.spec, board.spec.chain_links
    if framework_of(board, part) != "arduino":
        return links
    assert spec.arduino is not None
    radio = {"ble"} if "ble" in spec.arduino.acts else set()
    receives = {"uart"} if spec.arduino.wired else set()
    return ChainLinks(
        receives=tuple(kind for kind in links.receives if kind in receives),
        sends=tuple(kind for kind in links.sends if kind in radio | {"uart"}),
    )


def takes_cable(board: Board) -> bool:
    """Whether another board's line over USB can end in it: it has an operating system, or is a browser's."""
    return not board.spec.frameworks


def sends_on_pins(chain: Chain, number: int, catalog: Mapping[str, Board]) -> bool:
    """Whether that part's line to the next one must be another than that to a host, which is USB's."""
    part, after = chain.parts[number], chain.parts[number + 1]
    board = catalog[part.board]
    spec = board.spec
    makers = framework_of(board, part) == "arduino"
    usb = makers or (spec.pins is not None and spec.pins.downstream_tx is not None)
    return usb and chain.links[number].kind == "uart" and not takes_cable(catalog[after.board])


def lacks_line(chain: Chain, number: int, catalog: Mapping[str, Board]) -> bool:
    """Whether that part has too few lines on pins for both its neighbours."""
    part = chain.parts[number]
    arduino = catalog[part.board].spec.arduino
    if arduino is None or framework_of(catalog[part.board], part) != "arduino":
        return False
    if number >= len(chain.links) or not sends_on_pins(chain, number, catalog):
        return False
    return len(arduino.wired) < (2 if number and chain.links[number - 1].kind == "uart" else 1)
