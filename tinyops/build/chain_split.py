"""The steps that cut a fleet's model over its chain, and what its parts' programs know of the chain: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tinyops.artifacts import InputRef, Step
from tinyops.boards.model import Board
from tinyops.build.fits import model_room
from tinyops.chains.settings import SplitSettings, link_settings, part_settings, settings_json
from tinyops.files import JsonObject
from tinyops.specs.chain import Chain, OnPartLost, SplitWish
from tinyops.specs.chain_boards import sends_on_pins
from tinyops.specs.lock import Lock
from tinyops.specs.model import Fleet
from tinyops.specs.targets import Target

SPLIT_REVISION, PART_REVISION = 1, 1
PART_PACKAGES = ("ai-edge-litert", "tflite-micro", "numpy")
KEEP = "keep"  # the setting that holds what was released of automatic cuts


def cut_steps(
    fleet: Fleet, targets: Mapping[str, Target], boards: Mapping[str, Board], prefer: str, lock: Lock, *, frames: bool
) -> Iterator[Step]:
    """Where the model is cut, and each of its parts; `boards` are those of targets by name, `frames` says that the
    model takes a sensor's frames."""
    whole = next(iter(targets.values())).measured_step
    split = split_step(fleet, whole, boards, prefer, lock)
    yield split
    files = ("int8.tflite", "golden.bin", "features.json")
    packages = {name: lock.python[name] for name in PART_PACKAGES if name in lock.python}
    for number, (name, target) in enumerate(targets.items()):
        inputs = {file: InputRef(whole, file) for file in (*files, *(["stream.bin"] if frames and not number else []))}
        inputs["split.json"] = InputRef(split.id, "split.json")
        settings = {"part": name, "revision": PART_REVISION}
        kind, _, subject = target.model_step.partition(":")
        yield Step(kind, subject, settings, packages, inputs)


def split_step(fleet: Fleet, whole: str, boards: Mapping[str, Board], prefer: str, lock: Lock) -> Step:
    """`whole` is the step that makes the model. Automatic cuts are kept as released while they fit."""
    chain = fleet.spec.chain
    assert chain is not None  # of a chain's fleet
    wish = fleet.spec.split or SplitWish()
    named = list(boards.values())
    settings = SplitSettings(
        parts=tuple(part_settings(name, board, model_room(board)) for name, board in boards.items()),
        links=tuple(link_settings(link, *named[n : n + 2]) for n, link in enumerate(chain.links)),
        prefer=prefer,
        revision=SPLIT_REVISION,
    )
    inputs = {file: InputRef(whole, file) for file in ("int8.tflite", "features.json")}
    keeps = {KEEP: "cuts"} if wish.cuts == "auto" else {}
    said = settings_json(settings, wish)
    return Step("split", fleet.name, said, {"tinyops": lock.tinyops.compiler}, inputs, keeps=keeps)


def chain_facts(fleet: Fleet, target: Target, catalog: Mapping[str, Board]) -> JsonObject:
    """What the firmware of a part is told: its place, the kinds and rates of its links, how long it waits. A page
    shows the chain to a person: it is told its parts' names, too."""
    chain = fleet.spec.chain
    if chain is None:
        return {}
    names = [part.name for part in chain.parts]
    position = names.index(target.name)
    lost = fleet.spec.on_part_lost or OnPartLost()
    upstream = _link(chain, position - 1) if position else None
    downstream = _link(chain, position) if position < len(names) - 1 else None
    if downstream is not None and sends_on_pins(chain, position, catalog):
        downstream["wired"] = True
    shows = catalog[target.board].spec.port == "browser"
    place: JsonObject = {"position": position, "parts": len(names)} | ({"names": names} if shows else {})
    return {"chain": {**place, "upstream": upstream, "downstream": downstream, "after_ms": lost.after_ms}}


def _link(chain: Chain, number: int) -> JsonObject:
    """A link as the firmware at its ends sees it."""
    link = chain.links[number]
    return {"kind": link.kind} | ({"baud": link.baud or 115200} if link.kind == "uart" else {})
