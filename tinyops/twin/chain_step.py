"""The chain step: all parts of a chain run together, and give what the whole model gives, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from tinyops.twin.joined import Joint
from tinyops.twin.kinds import can_boot
from tinyops.twin.prove import compare, exercise, naming, play
from tinyops.twin.step import proof_levels
from tinyops.twin.wire import Counts, Terms

BITS_A_BYTE = 10  # of a uart
SEED = 9
LOSSY_VECTORS = 4  # run again, with the declared loss
TRIES_MAX = 8  # of an inference
# Each vector goes into the first part byte by byte: of large ones there are fewer. Each part's twin had all of its own.
INPUTS_BYTES, VECTORS_LEAST = 64 * 1024, 4
START_S = 60.0
BOOKKEEPING = PartType.STATE  # goes once a second, whether there are tensors or not


@dataclass(frozen=True)
class Carried:
    """What one link carried in a run, in bytes: the tensors that had to cross, all frames that carried them, all others
    both ways."""

    tensors: int
    carrying: int
    bookkeeping: int
    lost: int

    @property
    def overhead(self) -> float:
        """Percent of what the frames cost beside the tensors themselves."""
        return 100 * (self.carrying - self.tensors) / self.tensors


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
        carried, others = _run(chain, split, golden, stream, lambda done: report(_said(name, done, total, "")))
    facts: JsonObject = {"bit_exact": True, "vectors": total, **others, **_links(split, carried)}
    if any(one.loss for one in terms):
        few = replace(golden, vectors=golden.vectors[:LOSSY_VECTORS])
        with open_chain(name, parts, terms, seed=SEED) as chain:
            carried, others = _run(
                chain, split, few, None, lambda done: report(_said(name, done, len(few.vectors), " with loss"))
            )
        facts["with_loss"] = {"bit_exact": True, "vectors": len(few.vectors), **others, **_links(split, carried)}
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
) -> tuple[list[Carried], JsonObject]:
    with naming(chain, "start-up"):
        chain.link.wait_ready(START_S)
        hello = chain.link.hello()
    before = [joint.counts() for joint in chain.joints]
    tries = _give_vectors(chain, hello, golden, report)
    inferences = len(golden.vectors)
    if stream is not None:
        tries += _insist(chain, lambda: play(chain, stream))
        inferences += len(stream.results)
    carried = [
        _carried(joint, was, part.give_bytes * inferences)
        for joint, was, part in zip(chain.joints, before, split.parts, strict=False)
    ]
    return carried, {"memory": {part.name: _memory(part, chain) for part in chain.parts}, "not_available": tries}


def _give_vectors(chain: RunningChain, hello: Hello, golden: Golden, report: Callable[[int], None]) -> int:
    """Compares every vector; how often there was no answer. With state an inference that is given up would leave some
    parts further than others: then all vectors are given again."""
    done, tries = 0, 0
    vectors = list(enumerate(golden.vectors))
    for group in [vectors] if chain.keeps_state else [[one] for one in vectors]:

        def give(group: list[tuple[int, tuple[bytes, bytes]]] = group) -> None:
            def check(at: int, got: bytes) -> None:
                number, (_, wanted) = group[at]
                compare(chain.name, f"vector {number}", got, wanted)

            exercise(chain, hello, [tensor for _, (tensor, _) in group], check)

        tries += _insist(chain, give)
        done += len(group)
        report(done)
    return tries


def _insist(chain: RunningChain, act: Callable[[], None]) -> int:
    """Does it until it has an answer; how often it had none. Where a busy machine is late, or a link loses too much,
    there is none, which is not a wrong one. Raises NotAvailable where there is none all the time."""
    for tries in range(TRIES_MAX - 1):
        try:
            act()
            return tries
        except NotAvailable:
            chain.link.wait_ready(START_S)
    act()
    return TRIES_MAX - 1


def terms_of(link: document.Link) -> Terms:
    """What a wire is like that stands for the link."""
    rate = link.baud / BITS_A_BYTE if link.baud is not None else link.bytes_s
    return Terms(bytes_s=rate, latency_s=link.latency_ms / 1000, loss=link.loss)


def _carried(joint: Joint, before: tuple[Counts, Counts], tensors: int) -> Carried:
    ways = [(now, was) for now, was in zip(joint.counts(), before, strict=True)]
    both = sum(now.bytes - was.bytes for now, was in ways)
    states = sum(now.of_type[BOOKKEEPING] - was.of_type[BOOKKEEPING] for now, was in ways)
    return Carried(tensors, both - states, states, sum(now.lost - was.lost for now, was in ways))


def _links(split: document.SplitDocument, carried: list[Carried]) -> JsonObject:
    """Overhead is that of all links together, over all tensors that crossed."""
    names = [part.name for part in split.parts]
    links = [
        {
            "from": names[i],
            "to": names[i + 1],
            "tensor_bytes": one.tensors,
            "bytes": one.carrying,
            "bookkeeping_bytes": one.bookkeeping,
            "overhead": round(one.overhead, 2),
            "lost_frames": one.lost,
        }
        for i, one in enumerate(carried)
    ]
    tensors = sum(one.tensors for one in carried)
    overhead = 100 * (sum(one.carrying for one in carried) - tensors) / tensors
    return {"links": links, "overhead": round(overhead, 2)}


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
