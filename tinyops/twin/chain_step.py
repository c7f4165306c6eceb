"""The chain step: all parts of a chain run together, and give what the whole model gives, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinyops.artifacts import Progress, Step
from tinyops.boards.model import BoardSpec
from tinyops.errors import DoesNotFit, SpecError
from tinyops.files import JsonObject, pretty_json
from tinyops.link import Hello
from tinyops.link.parts import PartType
from tinyops.split import document
from tinyops.twin.chained import NotAvailable, PartBoard, RunningChain, RunningPart, open_chain
from tinyops.twin.golden import Golden, Stream, read_golden, read_stream
from tinyops.twin.kinds import can_boot
from tinyops.twin.prove import compare, exercise, naming, play
from tinyops.twin.step import proof_levels
from tinyops.twin.wire import Counts, Terms

BITS_A_BYTE = 10  # of a uart
SEED = 9
LOSSY_VECTORS = 4  # run again, with the declared loss
TRIES_MAX = 8  # of whatever may have no answer
# Each vector goes into the first part byte by byte: of large ones there are fewer. Each part's twin had all of its own.
INPUTS_BYTES, VECTORS_LEAST = 64 * 1024, 4
START_S = 60.0
PATIENCE_S = 20.0
BOOKKEEPING = PartType.STATE  # goes once a second, whether there are tensors or not


class Meter:
    """What the links of a chain carry, both ways, but for what parts tell of themselves once a second.

    An inference costs what went from the answer before it to its own: so the one after a start or a failure is not
    counted. The least of all is that of an inference whose frames all came in time.
    """

    def __init__(self, chain: RunningChain) -> None:
        self._chain, self._mark = chain, list[int]()
        self._begun = [joint.counts() for joint in chain.joints]
        self.least: list[int | None] = [None for _ in chain.joints]

    def forget(self) -> None:
        self._mark = []

    def note(self) -> None:
        """There is an answer."""
        now = [sum(_carrying(way) for way in joint.counts()) for joint in self._chain.joints]
        for i, (was, is_now) in enumerate(zip(self._mark, now, strict=False)):
            before = self.least[i]
            self.least[i] = is_now - was if before is None else min(before, is_now - was)
        self._mark = now

    def links(self, split: document.SplitDocument) -> JsonObject:
        """As facts. Overhead is in percent, of all links together, over all tensors that cross in an inference."""
        links = [self._link(i, split) for i in range(len(split.links))]
        if None in self.least:
            return {"links": links, "overhead": None}
        tensors = sum(part.give_bytes for part in split.parts[:-1])
        least = sum(count or 0 for count in self.least)
        return {"links": links, "overhead": round(100 * (least - tensors) / tensors, 2)}

    def _link(self, i: int, split: document.SplitDocument) -> JsonObject:
        ways = [*zip(self._chain.joints[i].counts(), self._begun[i], strict=True)]
        return {
            "from": split.parts[i].name,
            "to": split.parts[i + 1].name,
            "tensor_bytes": split.parts[i].give_bytes,
            "bytes": self.least[i],
            "sent_bytes": sum(now.bytes - was.bytes for now, was in ways),
            "bookkeeping_bytes": sum(now.of_type[BOOKKEEPING] - was.of_type[BOOKKEEPING] for now, was in ways),
            "lost_frames": sum(now.lost - was.lost for now, was in ways),
        }


def _carrying(way: Counts) -> int:
    return way.bytes - way.of_type[BOOKKEEPING]


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Proves a chain; writes proof.json. Raises ToolError for the first byte that differs.

    Inputs are `split.json`, the whole model's `golden.bin` and perhaps `stream.bin`, and each part's files by
    `PART.file`.
    """
    split, parts = read_chain(step, inputs)
    levels = {part.name: proof_levels(part.spec, part.files) for part in parts}
    silent = [part.name for part in parts if not can_boot(part.spec, part.files)]
    facts = _nothing_ran(silent) if silent else _prove(step.subject, split, parts, inputs, report)
    facts |= {"proof": levels, "set": split.set}
    (out / "proof.json").write_bytes(pretty_json({"chain": step.subject, "facts": facts}))
    return facts


def read_chain(step: Step, inputs: Mapping[str, Path]) -> tuple[document.SplitDocument, list[PartBoard]]:
    """A chain and what its parts boot. Raises SpecError where they are not of one another."""
    split = document.read_split(inputs["split.json"])
    parts = [_part(given, inputs, step) for given in step.settings["parts"]]
    if [part.name for part in parts] != [part.name for part in split.parts]:
        raise SpecError(f"{step.id}: parts {[p.name for p in split.parts]} were cut, {[p.name for p in parts]} built")
    return split, parts


def _part(given: Mapping[str, Any], inputs: Mapping[str, Path], step: Step) -> PartBoard:
    name = str(given["name"])
    before = f"{name}."
    files = {file.removeprefix(before): path for file, path in inputs.items() if file.startswith(before)}
    lock = {role: entry for role, entry in step.lock.items() if not role.startswith("part.")}
    lock |= step.lock.get(f"part.{name}") or {}
    counter = int(given.get("security_counter", 0))
    return PartBoard(name, str(given["board"]), BoardSpec.model_validate(given["facts"]), files, lock, counter)


def _nothing_ran(silent: list[str]) -> JsonObject:
    return {"bit_exact": None, "vectors": 0, "not_booted": silent}


def _prove(
    name: str,
    split: document.SplitDocument,
    parts: list[PartBoard],
    inputs: Mapping[str, Path],
    report: Callable[[Progress], None],
) -> JsonObject:
    golden = some_of(read_golden(inputs["golden.bin"]))
    stream = read_stream(inputs["stream.bin"]) if "stream.bin" in inputs else None
    terms = [terms_of(link) for link in split.links]
    total = len(golden.vectors)
    clean = [replace(one, loss=0.0) for one in terms]
    with open_chain(name, parts, clean, seed=SEED) as chain:
        found = _run(chain, split, golden, stream, lambda done: report(_said(name, done, total, "")))
    facts: JsonObject = {"bit_exact": True, "vectors": total, **found}
    if any(one.loss for one in terms):
        few = replace(golden, vectors=golden.vectors[:LOSSY_VECTORS])
        with open_chain(name, parts, terms, seed=SEED) as chain:
            lossy = " with loss"
            found = _run(chain, split, few, None, lambda done: report(_said(name, done, len(few.vectors), lossy)))
        facts["with_loss"] = {"bit_exact": True, "vectors": len(few.vectors), **found}
    return facts


def some_of(golden: Golden) -> Golden:
    """As many vectors as are worth the time."""
    return replace(golden, vectors=golden.vectors[: max(INPUTS_BYTES // golden.input_bytes, VECTORS_LEAST)])


def _said(name: str, done: int, total: int, how: str) -> Progress:
    return Progress(done, total, f"{name}: golden vectors over its links{how}")


def _run(
    chain: RunningChain,
    split: document.SplitDocument,
    golden: Golden,
    stream: Stream | None,
    report: Callable[[int], None],
) -> JsonObject:
    with naming(chain, "start-up"):
        chain.link.wait_ready(START_S)
        hello = chain.link.hello()
    chain.link.patience_s = PATIENCE_S
    meter = Meter(chain)
    tries = give_vectors(chain, hello, golden, report, meter)
    if stream is not None:
        tries += insist(chain, lambda: play(chain, stream))
    memory = {part.name: _memory(part, chain) for part in chain.parts}
    return {"memory": memory, "not_available": tries, **meter.links(split)}


def give_vectors(
    chain: RunningChain, hello: Hello, golden: Golden, report: Callable[[int], None], meter: Meter | None = None
) -> int:
    """Compares every vector; how often there was no answer. With state an inference that is given up would leave some
    parts further than others: then all vectors are given again."""
    done, tries, meter = 0, 0, meter or Meter(chain)
    vectors = list(enumerate(golden.vectors))
    for group in [vectors] if chain.keeps_state else [[one] for one in vectors]:

        def give(group: list[tuple[int, tuple[bytes, bytes]]] = group) -> None:
            def check(at: int, got: bytes) -> None:
                number, (_, wanted) = group[at]
                compare(chain.name, f"vector {number}", got, wanted)
                meter.note()

            exercise(chain, hello, [tensor for _, (tensor, _) in group], check)

        tries += insist(chain, give, meter.forget)
        done += len(group)
        report(done)
    return tries


def insist(chain: RunningChain, act: Callable[[], object], failed: Callable[[], None] = lambda: None) -> int:
    """Does it until it has an answer; how often it had none. Where a busy machine is late, or a link loses too much,
    there is none, which is not a wrong one. Raises NotAvailable where there is none all the time."""
    for tries in range(TRIES_MAX - 1):
        try:
            act()
            return tries
        except NotAvailable:
            failed()
            chain.link.wait_ready(START_S)
    act()
    return TRIES_MAX - 1


def terms_of(link: document.Link) -> Terms:
    """What a wire is like that stands for the link."""
    rate = link.baud / BITS_A_BYTE if link.baud is not None else link.bytes_s
    return Terms(bytes_s=rate, latency_s=link.latency_ms / 1000, loss=link.loss)


def _memory(part: RunningPart, chain: RunningChain) -> JsonObject:
    """What a part took of its board's RAM, of which the arena, in bytes. Raises DoesNotFit for a stack used up."""
    with naming(chain, f"measuring {part.name}"):
        stats, hello = part.link.stats(), part.link.hello()
    if stats.stack_bytes and stats.stack_used >= stats.stack_bytes:
        raise DoesNotFit(
            f"{part.name}: the stack of {stats.stack_bytes:,} bytes is used up",
            hint="give it a larger stack_bytes in the board's layout",
        )
    took = max(stats.static_bytes - hello.arena_bytes, 0) + hello.arena_needed + stats.stack_used
    return {"ram_bytes": took, "arena_bytes": hello.arena_needed}
