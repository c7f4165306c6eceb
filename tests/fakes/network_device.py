"""The emulated device with a network: QEMU, its user network, the plugin that lends it flash, and its serial line."""

from __future__ import annotations

import contextlib
import queue
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tinyops.firmware.network import Places
from tinyops.link import LinkClosed
from tinyops.process import kill_group
from tinyops.toolchain import installed
from tinyops.twin.qemu import build_plugin

RAM_BYTES = 512 * 1024
ANSWER_S = 60.0
TEXT = re.compile(rb"\0fetch: ([^\0]*)\n\0")
HOST = bytes((10, 0, 2, 2))  # the host's loopback, in QEMU's user network


class NetworkDevice:
    """Its serial line as a ByteStream, and what it says of fetching in `said`."""

    def __init__(self, line: socket.socket, orders: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.line, self.orders, self.process = line, orders, process
        self.said: list[str] = []
        self._come: queue.Queue[bytes] = queue.Queue()
        self._changed = threading.Condition()
        self._seen = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def read(self, timeout_s: float) -> bytes:
        try:
            data = self._come.get(timeout=max(timeout_s, 0.001))
        except queue.Empty:
            return b""
        if not data:
            raise LinkClosed("the device is gone")
        return data

    def write(self, data: bytes, timeout_s: float) -> None:
        self.line.sendall(data)

    def reset(self, order: str = "reset") -> None:
        self.orders.sendall(f"{order}\n".encode())
        assert self.orders.recv(200)

    def expect(self, pattern: str, timeout_s: float = ANSWER_S) -> str:
        """The next thing it says that matches, after those that matched before."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for at in range(self._seen, len(self.said)):
                    if re.search(pattern, self.said[at]):
                        self._seen = at + 1
                        return self.said[at]
                left = deadline - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    raise AssertionError(f"it never said {pattern!r}: {self.said[-12:]}")
                self._changed.wait(min(left, 0.5))

    def skip(self) -> None:
        """What it said so far is not expected any more, and what came over its line is not read."""
        while not self._come.empty():
            self._come.get()
        with self._changed:
            self._seen = len(self.said)

    def _listen(self) -> None:
        kept = b""
        while True:
            try:
                data = self.line.recv(65536)
            except OSError:
                data = b""
            self._come.put(data)
            if not data:
                return
            kept += data
            for found in TEXT.finditer(kept):
                with self._changed:
                    self.said.append(found[1].decode(errors="replace"))
                    self._changed.notify_all()
                kept = kept[found.end() :]
                break


@contextlib.contextmanager
def running(elf: Path, flash: Path, name_port: int, places: Places | None = None) -> Iterator[NetworkDevice]:
    """The device with what lies in `flash`, which is kept up to date with every operation."""
    places = places or Places()
    emulator = installed("qemu-system-arm")
    region = places.all
    ranges = f"{region.origin}:{region.bytes}:{places.erase_bytes}:{places.program_bytes}:1:1"
    ours, theirs = socket.socketpair()
    orders, device_orders = socket.socketpair()
    plugin = f"file={build_plugin(emulator)},ram={0x20000000}:{RAM_BYTES},vtor=1,flash={flash},ranges={ranges},seed=1"
    command = [
        *(str(emulator.path), "-M", "mps2-an386", "-display", "none", "-monitor", "none"),
        *("-nodefaults", "-kernel", str(elf), "-chardev", f"socket,id=line,fd={theirs.fileno()}"),
        *("-serial", "chardev:line", "-nic", "user,model=lan9118"),
        *("-semihosting-config", f"enable=on,target=native,arg=dns={name_port}"),
        *("-plugin", f"{plugin},orders={device_orders.fileno()}"),
    ]
    with ours, orders, tempfile.TemporaryFile() as errors:
        with theirs, device_orders:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(theirs.fileno(), device_orders.fileno()),
                start_new_session=True,
            )
        try:
            yield NetworkDevice(ours, orders, process)
            if process.poll() is not None:
                errors.seek(0)
                raise AssertionError(f"QEMU ended with {process.returncode}: {errors.read().decode()[:2000]}")
        finally:
            kill_group(process)  # type: ignore[arg-type]


def make_flash(places: Places, parts: dict[int, bytes], path: Path) -> Path:
    """A file of the device's flash with these parts, by address, and nothing else in it."""
    flash = bytearray(b"\xff" * places.all.bytes)
    for address, data in parts.items():
        at = address - places.all.origin
        flash[at : at + len(data)] = data
    path.write_bytes(flash)
    return path
