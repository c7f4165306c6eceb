"""Rules for chains of boards: parts and links in one order, links that both boards have, one sensor, cuts that rise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from tinyops.boards.bauds import cannot_run_at
from tinyops.boards.model import Board, LinkKind
from tinyops.documents import closest
from tinyops.documents.reading import Loc
from tinyops.specs.board_rules import UNKNOWN, Unknown, bound_faults
from tinyops.specs.chain import Chain, ChainLink, Part, SplitWish
from tinyops.specs.chain_boards import lacks_line, links_of, no_part
from tinyops.specs.dataset import Signal
from tinyops.specs.faults import Fault
from tinyops.specs.model import FleetSpec, LinkSensor

_CHAIN: Loc = ("spec", "chain")
_SENSOR = "sensor: {kind: stream}"
_BYTES_S_MAX, _MS_MAX, _RADIO_BYTES_MAX, _OPERATORS_MAX = 10**10, 86_400_000, 2**40, 65_536  # as split.json has them


def chain_faults(spec: FleetSpec, signal: Signal | None | Unknown, catalog: Mapping[str, Board]) -> Iterator[Fault]:
    """What is wrong with a fleet's chain, and with what stands beside it; `signal` is None for a model of tensors."""
    chain = spec.chain
    if chain is None:
        for name in ("split", "on_part_lost"):
            if getattr(spec, name) is not None:
                hint = "name the parts and their links: chain: {parts: […], links: […]}"
                yield Fault(("spec", name), "the fleet has no chain of boards", hint, key=True)
        return
    if spec.boards:
        hint = "a kind of board that runs the whole model belongs into a fleet of its own"
        yield Fault(_CHAIN, "stands beside boards: a fleet has either", hint, key=True)
    for number, part in enumerate(chain.parts):
        yield from _part_faults(number, chain, signal, catalog)
        if part.name in [before.name for before in chain.parts[:number]]:
            place: Loc = (*_CHAIN, "parts", number, "name")
            yield Fault(place, f"a second part {part.name!r}", "give each its own name")
    yield from _links_faults(chain, catalog)
    yield from _split_faults(spec.split, len(chain.parts))


# -- parts ---------------------------------------------------------------------------------------


def _part_faults(
    number: int, chain: Chain, signal: Signal | None | Unknown, catalog: Mapping[str, Board]
) -> Iterator[Fault]:
    part, loc = chain.parts[number], (*_CHAIN, "parts", number)
    board = catalog.get(part.board)
    if board is None:
        yield Fault((*loc, "board"), f"no board {part.board!r} in the catalogue", closest(part.board, catalog))
        return
    why = no_part(board, part)
    if why:
        yield Fault((*loc, "board"), f"{board.name} cannot be a part of a chain: {why}", _able(catalog))
        return
    if number < len(chain.parts) - 1 and not links_of(board, part).sends:
        what = f"{board.name} can only be the last part of a chain: it sends nothing to another"
        yield Fault((*loc, "board"), what, f"boards that send: {_having(catalog, 'sends')}")
    linked = isinstance(part.sensor, LinkSensor)
    yield from bound_faults(loc, part, board, UNKNOWN if linked else signal, catalog)
    if number == 0 and linked:
        yield Fault(_sensor_place(loc, part), "the first part takes the frames: it needs a sensor", _SENSOR)
    elif number and not linked:
        what = f"{chain.parts[number - 1].name!r} sends it tensors: only the first part has a sensor"
        yield Fault(_sensor_place(loc, part), what, "leave sensor out")
    if part.act is not None and number < len(chain.parts) - 1:
        last = chain.parts[-1].name
        yield Fault((*loc, "act"), f"only the last part, {last!r}, has a result to act on", f"move it to {last!r}")


def _sensor_place(loc: Loc, part: Part) -> Loc:
    return (*loc, "sensor") if "sensor" in part.model_fields_set else (*loc, "name")


def _able(catalog: Mapping[str, Board]) -> str:
    able = [name for name, board in sorted(catalog.items()) if not no_part(board)]
    return f"boards that can: {', '.join(able) or 'none'}"


def _having(catalog: Mapping[str, Board], does: str, kind: LinkKind | None = None) -> str:
    """Boards that send or receive over such a link, or over any."""
    links = {name: getattr(links_of(board), does) for name, board in sorted(catalog.items()) if not no_part(board)}
    return ", ".join(n for n, has in links.items() if has and kind in (None, *has)) or "none in this version"


# -- links ---------------------------------------------------------------------------------------


def _links_faults(chain: Chain, catalog: Mapping[str, Board]) -> Iterator[Fault]:
    wanted = list(pairwise(chain.parts))
    order = ", ".join(f"{{from: {a.name}, to: {b.name}}}" for a, b in wanted)
    if len(chain.links) != len(wanted):
        message = f"{len(chain.links)} links between {len(chain.parts)} parts"
        yield Fault((*_CHAIN, "links"), message, f"one for each pair, in their order: {order}", key=True)
        return
    for number, (link, (sender, receiver)) in enumerate(zip(chain.links, wanted, strict=True)):
        loc: Loc = (*_CHAIN, "links", number)
        for field, name, part in (("from", link.from_, sender), ("to", link.to, receiver)):
            if name != part.name:
                yield Fault(
                    (*loc, field), f"link {number + 1} is {field} {part.name!r}, not {name!r}", f"links: {order}"
                )
        yield from _rate_faults(loc, link)
        yield from _kind_faults(loc, link, sender, receiver, catalog)
        yield from _baud_faults(loc, link, (sender, receiver), catalog)
    yield from _line_faults(chain, catalog)


def _rate_faults(loc: Loc, link: ChainLink) -> Iterator[Fault]:
    if link.kind == "uart" and link.bytes_s is not None:
        yield Fault(
            (*loc, "bytes_s"), "a uart has a baud rate, 10 bits a byte", f"baud: {min(link.bytes_s, 10**6) * 10}"
        )
    elif link.bytes_s is not None and link.bytes_s > _BYTES_S_MAX:
        yield Fault((*loc, "bytes_s"), f"{link.bytes_s:,} bytes a second", f"at most {_BYTES_S_MAX:,}")
    if link.kind != "uart" and link.baud is not None:
        yield Fault((*loc, "baud"), f"{link.kind} has no baud rate", f"bytes_s: {link.baud // 10}")


def _kind_faults(
    loc: Loc, link: ChainLink, sender: Part, receiver: Part, catalog: Mapping[str, Board]
) -> Iterator[Fault]:
    """Whether both boards have such a link; what is no part at all was said already."""
    for part, does, verb in ((sender, "sends", "sends over"), (receiver, "receives", "receives over")):
        board = catalog.get(part.board)
        if board is None or no_part(board, part):
            continue
        has: tuple[LinkKind, ...] = getattr(links_of(board, part), does)
        if link.kind not in has and (has or does == "receives"):  # what sends nothing was said already
            message = f"{board.name} {verb} {', '.join(has)}, not {link.kind}"
            if not has:
                message = f"{board.name} receives nothing from another board: it can only be the first part"
            yield Fault((*loc, "kind"), message, f"boards that do: {_having(catalog, does, link.kind)}")


def _line_faults(chain: Chain, catalog: Mapping[str, Board]) -> Iterator[Fault]:
    """A line over USB ends in a board that hosts such devices; what is no part at all was said already."""
    if any(part.board not in catalog or no_part(catalog[part.board], part) for part in chain.parts):
        return
    for number in range(len(chain.links)):
        if lacks_line(chain, number, catalog):
            board, after = chain.parts[number].board, chain.parts[number + 1].board
            message = f"{board}'s line is USB's, which {after} cannot take, and it has no other on pins left"
            hint = "put a board with an operating system after it, or another kind of link between them"
            yield Fault((*_CHAIN, "links", number, "kind"), message, hint)


def _baud_faults(loc: Loc, link: ChainLink, ends: tuple[Part, Part], catalog: Mapping[str, Board]) -> Iterator[Fault]:
    """Whether the lines of both boards can run at the rate that the spec gives."""
    for part in ends if link.kind == "uart" and link.baud is not None else ():
        board = catalog.get(part.board)
        port = board.built_with(part.framework).spec.port if board is not None else ""
        if board is None or not (known := cannot_run_at(port, link.baud or 0)):
            continue
        yield Fault((*loc, "baud"), f"serial lines of {board.name} cannot run at {link.baud} baud", f"baud: {known}")
        return


# -- cuts ----------------------------------------------------------------------------------------


def _limit_faults(split: SplitWish) -> Iterator[Fault]:
    """What is counted in whole nanoseconds and bytes later."""
    for name, most in (("at_most_ms", _MS_MAX), ("at_most_radio_bytes", _RADIO_BYTES_MAX)):
        value = getattr(split, name)
        if value is not None and value > most:
            yield Fault(("spec", "split", name), f"{value:,} is no limit", f"at most {most:,}; or leave it out")


def _split_faults(split: SplitWish | None, parts: int) -> Iterator[Fault]:
    if split is not None:
        yield from _limit_faults(split)
    if split is None or split.cuts == "auto":
        return
    loc, cuts = ("spec", "split", "cuts"), split.cuts
    if len(cuts) != parts - 1:
        hint = f"give {parts - 1}, or cuts: auto"
        yield Fault(loc, f"{len(cuts)} cuts for {parts} parts", hint, key=True)
    elif cuts[-1] > _OPERATORS_MAX:
        yield Fault(loc, f"no model has {cuts[-1]:,} operators", "see `tinyops plan` for those of the model", key=True)
    elif any(after <= before for before, after in pairwise(cuts)):
        hint = "a cut is the number of the first operator after it: each part needs an operator"
        yield Fault(loc, f"cuts {', '.join(map(str, cuts))} do not rise", hint, key=True)
