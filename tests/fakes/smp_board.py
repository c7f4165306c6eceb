"""A board that speaks SMP behind a pseudo terminal, in Python over the libraries of smpclient's authors."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import cbor2
from smp import packet
from smp.header import OP, Header
from smp.message import smpheader

from fakes.pty_board import terminal

Answers = dict[tuple[int, int, bool], Callable[[dict[str, Any]], dict[str, Any] | None]]

INFO = {
    "board": "microbit",
    "fleet": "wrist",
    "firmware_version": "1.2.3",
    "contract": b"\x01" * 32,
    "firmware": b"\x02" * 32,
    "image_crc": 0xDEADBEEF,
    "abi": 1,
    "state": -16,
    "arena": 10240,
    "ram": 13000,
    "free_slots": 0,
    "silicon": bytes.fromhex("e66058388335372c"),
}
HEALTH = {
    "uptime_ms": 5000,
    "reset_cause": 3,
    "watchdogs": 2,
    "faults": 1,
    "inferences": 7,
    "missed": 4,
    "sensor": 1,
    "stack_used": 900,
    "stack": 2048,
    "arena_used": 3000,
    "arena": 10240,
    "supply_mv": 3300,
    "confidence": 1400,
    "histogram": [3, 4],
}
CRASH = {"crashed": True, "pc": 0x1234, "lr": 0x1111, "psr": 0x61000000, "cfsr": 1, "hfsr": 2, "mmfar": 3, "bfar": 4}
BENCH = {
    "repeat": 4,
    "ticks_min": 10,
    "ticks_max": 20,
    "ticks_sum": 60,
    "tick_hz": 1000000,
    "cycles_min": 0,
    "cycles_max": 0,
    "cycles_sum": 0,
    "cycle_bits": 0,
    "emulated": True,
}
IMAGE = {"image": 0, "slot": 0, "version": "1.2.3", "hash": b"\x02" * 32, "active": True, "confirmed": True}


@dataclass
class SmpBoard:
    """What the board does; tests change it. `before` and `instead` are bytes around or in place of each answer."""

    settings: bytes = b"\x07" * 300
    crashed: bool = True
    resets: int = 0
    before: bytes = b""
    after: bytes = b""
    instead: bytes | None = None
    change: Callable[[bytes], bytes] = lambda message: message
    replace: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    written: bytearray = field(default_factory=bytearray)
    line_length: int = 127

    def reply(self, request: bytes) -> bytes:
        """What goes over the line for a whole request."""
        message = self.answer(request)
        if self.instead is not None:
            return self.instead
        return self.before + b"".join(packet.encode(self.change(message), self.line_length)) + self.after

    def answer(self, request: bytes) -> bytes:
        """The message that answers one."""
        header = Header.loads(request[:8])
        body = cbor2.loads(request[8:])
        place = (int(header.group_id), int(header.command_id))
        answer = self.replace.get(place)
        if answer is None:
            answer = self._act(*place, header.op == OP.WRITE, body)
        data = cbor2.dumps(answer)
        op = OP.WRITE_RSP if header.op == OP.WRITE else OP.READ_RSP
        numbers = (len(data), header.group_id, header.sequence, header.command_id)
        head = smpheader.Header(op, header.version, header.flags, *numbers)
        return bytes(head) + data

    def _act(self, group: int, command: int, write: bool, body: dict[str, Any]) -> dict[str, Any]:
        if (group, command, write) == (0, 5, True):
            self.resets += 1
            return {}
        if (group, command) == (64, 5):
            self.crashed = self.crashed and not write
            return {} if write else (CRASH if self.crashed else {"crashed": False})
        if (group, command) == (64, 3):
            return self._write(body) if write else self._read(body)
        fixed = {
            (0, 0): lambda: {"r": body["d"]},
            (0, 6): lambda: {"buf_size": 384, "buf_count": 1},
            (0, 7): lambda: {"output": f"tinyops {body.get('format')}"},
            (1, 0): lambda: {"images": [IMAGE]},
            (64, 0): lambda: INFO,
            (64, 1): lambda: HEALTH,
            (64, 2): lambda: {"names": ["image", "model"], "statuses": [0, 0], "outputs_crc": int(body.get("keep", 0))},
            (64, 4): lambda: BENCH,
        }
        return fixed.get((group, command), lambda: {"rc": 8})()

    def _read(self, body: dict[str, Any]) -> dict[str, Any]:
        at = body["off"]
        return {"off": at, "len": len(self.settings), "data": self.settings[at : at + 128]}

    def _write(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["off"] != len(self.written):
            return {"err": {"group": 64, "rc": 3}}
        self.written += body["data"]
        if len(self.written) == body["len"]:
            self.settings = bytes(self.written)
            self.written.clear()
            return {"off": len(self.settings)}
        return {"off": len(self.written)}


@contextlib.contextmanager
def serving(board: SmpBoard) -> Iterator[str]:
    """Runs the board; yields the path of its port."""
    done = threading.Event()
    with terminal() as (far, port):
        thread = threading.Thread(target=_serve, args=(board, far, done), daemon=True)
        thread.start()
        try:
            yield port
        finally:
            done.set()
            thread.join(timeout=5)


def _serve(board: SmpBoard, far: int, done: threading.Event) -> None:
    pending, decoder = b"", None
    while not done.is_set():
        if not select.select([far], [], [], 0.02)[0]:
            continue
        pending += os.read(far, 4096)
        while b"\n" in pending:
            line, pending = pending.split(b"\n", 1)
            if line.startswith(packet.START_DELIMITER):
                decoder = packet.decode()
                next(decoder)
            if decoder is None:
                continue
            try:
                decoder.send(line + b"\n")
            except StopIteration as whole:
                decoder = None
                os.write(far, board.reply(whole.value))
