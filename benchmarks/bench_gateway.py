"""What 1,000 devices behind one agent cost: memory, time of a round that finds nothing, time to update all.

python benchmarks/bench_gateway.py [devices] [image bytes]

The devices are another process: each has a UDP port, its own id and settings, slots and trials, and answers real SMP.
The agent is a process of `tinyops agent --config` on a release folder, with its journal, cache and reports on disk.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes.herd import HerdBoard, enrolled  # noqa: E402
from fakes.image_store import ImageStore  # noqa: E402
from fakes.slot_board import CONTRACT  # noqa: E402
from tinyops.images import Kind, build_image, sign_image  # noqa: E402

DEVICES, IMAGE_BYTES = 1000, 20_000
LIMIT_MB = 200
JOBS = 16
PIECE = 1 << 16


def serve(devices: int, keys: tuple[bytes, ...]) -> None:
    """The devices: answers what comes to any of their ports, until its input ends."""
    poll, boards = select.epoll(), {}
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, devices + 200), limit))
    for number in range(devices):
        line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        line.bind(("127.0.0.1", 0))
        boards[line.fileno()] = (line, enrolled(f"d-{number:05}", keys=keys))
        poll.register(line.fileno(), select.EPOLLIN)
    print(json.dumps([line.getsockname()[1] for line, _ in boards.values()]), flush=True)
    poll.register(sys.stdin.fileno(), select.EPOLLIN)
    while True:
        for ready, _ in poll.poll():
            if ready == sys.stdin.fileno():
                print(json.dumps(standing([board for _, board in boards.values()])), flush=True)
                if not sys.stdin.readline():
                    return
                continue
            line, board = boards[ready]
            data, sender = line.recvfrom(PIECE)
            if answer := board.answer(data):
                line.sendto(answer, sender)


def standing(boards: list[HerdBoard]) -> dict[str, Any]:
    """How many requests there were since the last time, and which models run confirmed."""
    digests: dict[str, int] = {}
    requests = 0
    for board in boards:
        slots = board.images[1]
        image = slots.held[slots.active]
        name = image.digest.hex() if image is not None and slots.trial is None else "trial"
        digests[name] = digests.get(name, 0) + 1
        requests += len(board.requests)
        board.requests.clear()
    return {"running": digests, "requests": requests}


def agent(config: Path) -> tuple[float, float, float]:
    """One round: seconds in all, of its CPU, and the most memory in MB."""
    command = [sys.executable, "-m", "tinyops", "agent", "--config", str(config), "--once", "--json"]
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    states = [device["state"] for device in json.loads(process.stdout.read())["devices"]]
    _, status, used = os.wait4(process.pid, 0)
    assert status == 0 and set(states) == {"current"}, (status, set(states))
    return time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def image_of(store: ImageStore, text: bytes, size: int) -> bytes:
    body = (text * size)[:size]
    built = build_image(body, kind=Kind.MODEL, board="microbit", contract=CONTRACT, counter=1)
    return sign_image(built, store.key)


def main() -> None:
    devices = int(sys.argv[1]) if len(sys.argv) > 1 else DEVICES
    size = int(sys.argv[2]) if len(sys.argv) > 2 else IMAGE_BYTES
    with tempfile.TemporaryDirectory() as folder:
        store = ImageStore(Path(folder))
        keys = f"{store.key.public.raw.hex()},{'22' * 32}"
        command = [sys.executable, __file__, "--serve", str(devices), keys]
        herd = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert herd.stdin is not None and herd.stdout is not None
        try:
            ports = json.loads(herd.stdout.readline())
            addresses = [f"udp://127.0.0.1:{port}" for port in ports]
            config = store.config(gateway={"addresses": addresses, "jobs": JOBS})
            print(f"{devices:,} devices over UDP, {JOBS} at once, a model of {size:,} bytes")
            rows = []
            for what, text in (
                ("first release: all updated", b"one "),
                ("unchanged", b""),
                ("second release", b"two "),
            ):
                if text:
                    store.release("wrist", "microbit", {"model": image_of(store, text, size)}, contract=CONTRACT)
                seconds, cpu_s, most_mb = agent(config)
                herd.stdin.write("\n")
                herd.stdin.flush()
                found = json.loads(herd.stdout.readline())
                assert len(found["running"]) == 1
                rows.append((what, seconds, cpu_s, most_mb, found["requests"]))
                print(
                    f"{what:28} {seconds:7.1f} s  CPU {cpu_s:6.1f} s  most memory {most_mb:6.1f} MB  "
                    f"{found['requests'] / devices:6.1f} requests a device"
                )
            kept = sum(path.stat().st_size for path in (store.folder / "state").rglob("*") if path.is_file())
            reports = sum(1 for _ in (store.folder / "reports").rglob("*.json"))
            print(f"{kept / 1e6:.1f} MB on disk, {reports:,} reports")
            worst = max(row[3] for row in rows)
            print(f"memory: {worst:.0f} MB of {LIMIT_MB} MB: {'kept' if worst <= LIMIT_MB else 'MISSED'}")
            sys.exit(worst > LIMIT_MB)
        finally:
            herd.kill()
            herd.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]), tuple(bytes.fromhex(key) for key in sys.argv[3].split(",")))
    else:
        main()
