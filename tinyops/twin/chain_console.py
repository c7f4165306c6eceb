"""What a person asks of a virtual chain: of all its parts as of one board, and of parts and links by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tinyops.errors import ToolError, UsageError
from tinyops.link.parts import PartType
from tinyops.twin.chained import RunningChain
from tinyops.twin.console import COMMANDS, Console, Said
from tinyops.twin.joined import Joint
from tinyops.twin.prove import naming

MORE: Mapping[str, str] = {
    "parts": "each part: its board, state of its model, memory",
    "links": "each link: what went over it both ways",
    "loss SHARE": "links lose that share of their frames from now on",
    "cut [PART]": "the link behind a part is cut, or all are",
    "stall [PART]": "nothing arrives over it, and nothing is lost",
    "mend": "all links are whole again",
    "power-cut [PART]": "of a part, or of all: flash stays, RAM does not",
    "reset [PART]": "the reset pin of a part, or of all",
}
WITHOUT = (
    "measure",
    "health",
    "crash",
    "cut-in N",
    "power-cut",
    "reset",
)  # of one board alone, or another command here


class ChainConsole(Console):
    def __init__(self, chain: RunningChain) -> None:
        super().__init__(chain, None)
        self._chain = chain
        kept = {command: text for command, text in COMMANDS.items() if command not in WITHOUT}
        self.commands = {**kept, **MORE}
        self.calls = {word: call for word, call in self.calls.items() if word in {c.split()[0] for c in kept}} | {
            "watch": self._watch_chain,
            "parts": self._parts,
            "links": self._links,
            "loss": self._loss,
            "cut": lambda rest: self._fault(rest, "cut"),
            "stall": lambda rest: self._fault(rest, "stall"),
            "mend": self._mend,
            "power-cut": lambda rest: self._restart(rest, "power_cut"),
            "reset": lambda rest: self._restart(rest, "reset"),
        }

    def _watch_chain(self, rest: str) -> Said:
        """A virtual part's sensor measures what is replayed: without that nothing would ever come."""
        if not self._chain.replays:
            first = self._chain.parts[0].name
            raise UsageError(
                f"watch: the sensor of {first} measures nothing: no result comes unasked",
                hint="start the twin with --replay FILE, or give it inputs: feed FILE",
            )
        return self._watch(rest)

    def _parts(self, _: str) -> Said:
        found, lines = [], []
        for part in self._chain.parts:
            with naming(self._chain, part.name):
                hello, stats = part.link.hello(), part.link.stats()
            state = "ready" if hello.state == 0 else f"state {hello.state}"
            stack = f", stack {stats.stack_used:,} of {stats.stack_bytes:,}" if stats.stack_bytes else ""
            arena = f"arena {hello.arena_needed:,} of {hello.arena_bytes:,} bytes"
            lines.append(f"{part.name}: {hello.board}, {state}, {arena}{stack}")
            found.append({"name": part.name, "board": hello.board, "state": hello.state, "stack": stats.stack_used})
        return Said("\n".join(lines), {"parts": found})

    def _links(self, _: str) -> Said:
        names, found, lines = [part.name for part in self._chain.parts], [], []
        for joint, left, right in zip(self._chain.joints, names, names[1:], strict=False):
            down, up = joint.counts()
            tensors = down.of_type[PartType.PIECE]
            lines.append(
                f"{left} to {right}: {down.bytes:,} bytes down, {tensors:,} of them tensors with their frames, "
                f"{up.bytes:,} up; {down.lost + up.lost} frames lost"
            )
            found.append({"from": left, "to": right, "down": down.bytes, "up": up.bytes, "lost": down.lost + up.lost})
        return Said("\n".join(lines), {"links": found})

    def _loss(self, rest: str) -> Said:
        try:
            share = float(rest)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise UsageError(f"loss {rest}".rstrip() + ": not a share from 0 to 1", hint="loss 0.2")
        for joint in self._chain.joints:
            joint.set_terms(replace(joint.down.terms, loss=share))
        return Said(f"links lose {share:.0%} of their frames", {"loss": share})

    def _joints(self, rest: str) -> tuple[Joint, ...]:
        if not rest:
            return self._chain.joints
        position = self._chain.parts.index(self._chain.part(rest))
        if position == len(self._chain.joints):
            raise ToolError(f"{rest} is the last part: behind it is no link")
        return (self._chain.joints[position],)

    def _fault(self, rest: str, what: str) -> Said:
        for joint in self._joints(rest):
            getattr(joint, what)()
        return Said(f"{what}: {rest or 'all links'}; `mend` ends it", {"fault": what, "part": rest or None})

    def _mend(self, _: str) -> Said:
        for joint in self._chain.joints:
            joint.mend()
        return Said("all links are whole", {})

    def _restart(self, rest: str, what: str) -> Said:
        for part in [self._chain.part(rest)] if rest else self._chain.parts:
            getattr(part.virtual, what)()
        return Said(f"{rest or 'all parts'}: up again", {"part": rest or None})
