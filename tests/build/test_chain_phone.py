"""A phone as the last part of a chain, in Chromium: proven by `apply`, then as a person has it: connected to a part
before it, cut off, given another set, closed at any moment."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from test_chain_update import Slots

from fakes.chained import ReleasedParts, chain_document, layered, parts_of, repository_of
from fakes.peripheral import Peripheral
from fakes.ports import free_port
from fakes.projects import Repository
from tinyops.boards.model import LinkKind
from tinyops.firmware import render_project
from tinyops.firmware.chained import ChainPlace
from tinyops.link import Link
from tinyops.twin.chromium import open_browser
from tinyops.twin.joined import Joint
from tinyops.twin.machine import SocketStream
from tinyops.twin.page_server import PageServer, read_page, serving
from tinyops.twin.page_streams import PageStream
from tinyops.twin.step import open_twin
from tinyops.twin.wire import Terms

pytestmark = pytest.mark.build
sync_api = pytest.importorskip("playwright.sync_api")

LIMIT_MS = 500
MORE = f"  split: {{cuts: [2]}}\n  on_part_lost: {{after_ms: {LIMIT_MS}}}\n"
APPLY_S, WAIT_MS = 600, 15_000
HARD = Terms(loss=0.15, duplicated=0.1, reordered=0.1, damaged=0.05)
# A port whose bytes are those of a WebSocket, which can be unplugged.
SERIAL = """
  const cable = (window.cable = { opened: [], plugged: true, sockets: [] });
  const port = {
    getInfo: () => ({ usbVendorId: 3368, usbProductId: 516 }),
    async open(settings) {
      if (!cable.plugged) throw new DOMException("Failed to open serial port.", "NetworkError");
      cable.opened.push(settings);
      const socket = new WebSocket(new URL("bridge", location.href.replace(/^http/, "ws")));
      cable.sockets.push(socket);
      socket.binaryType = "arraybuffer";
      await new Promise((resolve) => (socket.onopen = resolve));
      port.readable = new ReadableStream({
        start(control) {
          socket.onmessage = ({ data }) => control.enqueue(new Uint8Array(data));
          socket.onclose = () => {
            port.readable = null;
            control.error(new DOMException("The device has been lost.", "NetworkError"));
          };
        },
      });
      port.writable = new WritableStream({ write: (bytes) => socket.send(bytes) });
    },
    async close() {
      cable.sockets.pop()?.close();
    },
  };
  cable.unplug = () => ((cable.plugged = false), cable.sockets.pop().close());
  cable.plug = () => (cable.plugged = true);
  const serial = { requestPort: async () => port, getPorts: async () => [port] };
  Object.defineProperty(navigator, "serial", { value: serial });
"""
LOST = "p0 does not answer within the time limit"


@dataclass(frozen=True)
class Released:
    bench: Repository
    first: ReleasedParts
    second: ReleasedParts  # of another model


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    """`door` is a Linux board and a phone, in two releases; `bell` a micro:bit and a phone."""
    if shutil.which("chromium") is None and os.environ.get("CI") != "true":
        pytest.skip("chromium is not on PATH: run `make setup`")
    models = {"layers": layered(), "few": layered((64, 96, 300, 5), seed=8)}
    door = chain_document("door", "layers", "linux", "phone", link="kind: tcp", more=MORE)
    bell = chain_document("bell", "few", "microbit", "phone", link="kind: uart, baud: 115200, loss: 0.05")
    bench = repository_of(tmp_path_factory.mktemp("phone") / "bench", models, door, bell)
    done = bench.run("apply", timeout_s=APPLY_S)
    assert done.code == 0, done.out + done.err
    first, other = parts_of(bench, "door"), layered(seed=5)
    bench.write("models/layers.tflite", other)
    bench.edit("specs/fleets.yaml", *(hashlib.sha256(m).hexdigest() for m in (models["layers"], other)))
    done = bench.run("apply", timeout_s=APPLY_S)
    assert done.code == 0, done.out + done.err
    return Released(bench, first, parts_of(bench, "door"))


@pytest.fixture(scope="module")
def chromium(released: Released) -> Iterator[Any]:
    with open_browser("test", "--enable-features=WebBluetooth") as (browser, _):  # a flag on Linux
        yield browser


class Phone:
    """One person's phone beside a part whose bytes come over a WebSocket, and a site of releases."""

    def __init__(self, context: Any, server: PageServer, site: Path, joint: Joint) -> None:
        self.context, self.server, self.site, self.joint = context, server, site, joint
        self.problems: list[str] = []
        assert joint.probe is not None
        self.first = Link(SocketStream(joint.probe, "p0"), name="p0")
        self.page = self.window()

    def window(self) -> Any:
        page = self.context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda m: self.problems.append(m.text) if "Content Security" in m.text else None)
        return page

    def offer(self, tag: str) -> None:
        (self.site / "latest").unlink(missing_ok=True)
        (self.site / "latest").symlink_to(tag)

    def open(self, query: str = "") -> Phone:
        self.page.goto(f"{self.server.url}{query}")
        self.page.wait_for_selector("body[data-ready=yes]")
        assert self.problems == []
        return self

    def connect(self, address: str = "") -> Phone:
        if self.page.locator("#address").count():
            self.page.fill("#address", address or f"{self.server.url.replace('http', 'ws', 1)}bridge")
        self.page.click("#connect")
        self.page.wait_for_selector("#link-state[data-state=on]")
        return self

    def stands(self) -> Phone:
        self.page.wait_for_selector("#parts li:first-child[data-well=yes]")
        sync_api.expect(self.page.locator("#state")).to_contain_text("Running", timeout=WAIT_MS)
        return self

    def text(self, name: str) -> str:
        found: str = self.page.inner_text(f"#{name}")
        return found

    def says(self, name: str, text: str) -> None:
        sync_api.expect(self.page.locator(f"#{name}")).to_contain_text(text, timeout=WAIT_MS)

    def check(self) -> str:
        self.page.click("#check")
        self.page.wait_for_selector("#check:enabled")
        return self.text("last-update")

    def infer(self, whole: ReleasedParts, number: int = 0) -> None:
        """The page shows what the whole model gives. A busy machine may be late, then there is no answer."""
        tensor, output = whole.golden.vectors[number]
        before = int(self.text("inferences"))
        for _ in range(8):
            self.stands()
            self.first.write_input(tensor)
            self.first.invoke(10.0)
            with contextlib.suppress(AssertionError):
                sync_api.expect(self.page.locator("#inferences")).to_have_text(str(before + 1), timeout=3000)
                break
        shown = self.page.locator("#bars .share").all_inner_texts()
        assert [int(share) % 256 for share in shown] == list(output)

    def noise(self, data: bytes) -> None:
        """Comes from the part before, or from whoever says it is."""
        self.server.streams["bridge"].ours.sendall(data)

    def set_of(self, whole: ReleasedParts) -> None:
        self.says("fact-set", whole.split.set[:8])


def of_kind(kind: LinkKind, files: dict[str, bytes], whole: ReleasedParts) -> dict[str, bytes]:
    """The page of a fleet whose last link is of that kind."""
    other = render_project(
        board="phone",
        spec=whole.parts[1].spec,
        fleet="door",
        sensor={"kind": "link"},
        contract=json.loads(whole.parts[1].files["contract.json"].read_bytes()),
        chain=ChainPlace(1, 2, LIMIT_MS, upstream_kind=kind, names=("p0", "p1")),
    )
    return {**files, **{name: other[name] for name in ("index.html", "chain.js")}}


@contextlib.contextmanager
def beside(
    released: Released,
    browser: Any,
    folder: Path,
    slots: Slots | None = None,
    kind: LinkKind = "tcp",
    line: socket.socket | None = None,
) -> Iterator[Phone]:
    """`kind` is that of the page's link; `line` leads there where it is not the page's own server that does."""
    site, part, stream = folder / "releases", released.first.parts[0], PageStream.pair()
    shutil.copytree(released.bench.releases, site, symlinks=True)
    files = of_kind(kind, read_page(site / "v1" / "firmware.door.p1.page.zip"), released.first)
    own = {**part.files, **({"slots": slots.folder} if slots is not None else {})}
    context = browser.new_context(viewport={"width": 390, "height": 844})
    with (
        contextlib.closing(stream),
        serving(files, site, streams={"bridge": stream}) as server,
        open_twin(part.board, part.spec, own, lock=part.lock) as first,
        contextlib.closing(
            Joint(lambda: first.line, lambda: line or stream.ours, Terms(), seed=3, with_probe=True)
        ) as joint,
        contextlib.closing(context),
    ):
        phone = Phone(context, server, site, joint)
        phone.offer("v1")
        yield phone


@pytest.fixture
def phone(released: Released, chromium: Any, tmp_path: Path) -> Iterator[Phone]:
    with beside(released, chromium, tmp_path) as made:
        yield made


def test_apply_proves_a_microcontroller_and_a_page_bit_for_bit(released: Released) -> None:
    proof = json.loads((released.bench.releases / "v1" / "chain.bell.proof.json").read_text())["facts"]
    assert (proof["bit_exact"], proof["vectors"] >= 16) == (True, True)
    assert proof["proof"]["p1"] == {"model": "same-bytes", "firmware": "same-bytes"}
    assert proof["with_loss"]["bit_exact"] is True
    assert proof["links"][0]["tensor_bytes"] in (96, 300)
    assert released.bench.run("plan", "--detailed-exitcode").code == 0


def test_the_twin_of_a_fleet_with_a_phone_is_asked_as_a_chain(released: Released) -> None:
    from tinyops.twin.chain_step import give_vectors
    from tinyops.twin.chained import open_chain

    whole = released.first
    with open_chain("door", whole.parts, whole.terms, seed=2) as chain:
        chain.link.wait_ready()
        few = replace(whole.golden, vectors=whole.golden.vectors[:2])
        give_vectors(chain, chain.link.hello(), few, lambda _: None)
        chain.part("p1").virtual.power_cut()  # the page is closed, and opened again
        chain.link.wait_ready()
        give_vectors(chain, chain.link.hello(), few, lambda _: None)
        assert chain.how_it_ended() == ""
        assert chain.part("p1").link.hello().board == "phone"


def test_a_page_shows_what_the_whole_model_gives(phone: Phone, released: Released) -> None:
    phone.open()
    assert phone.text("last-update").startswith("installed v1") and phone.text("link-state") == "Not connected"
    assert "p0\nis not connected" in phone.text("parts") and phone.text("class") == "–"
    phone.connect().stands().set_of(released.first)
    for number in range(3):
        phone.infer(released.first, number)
    assert phone.text("unavailable") == "0" and phone.problems == []


def test_frames_that_are_lost_swapped_and_damaged_change_no_result(phone: Phone, released: Released) -> None:
    phone.open().connect().stands()
    phone.joint.set_terms(HARD)
    for number in range(4):
        phone.infer(released.first, number)


def test_a_part_that_is_lost_is_named_and_no_stale_result_stays(phone: Phone, released: Released) -> None:
    phone.open().connect().stands()
    phone.infer(released.first)
    phone.joint.cut()
    phone.says("confidence", LOST)
    assert phone.text("class") == "unavailable" and phone.text("state") == "Waiting for its chain"
    assert set(phone.page.locator("#bars .share").all_inner_texts()) == {"–"}
    assert f"p0\n{LOST.removeprefix('p0 ')}" in phone.text("parts")
    phone.joint.mend()
    phone.says("confidence", "No result since the chain stands again")
    phone.infer(released.first, 1)


def test_a_bridge_that_closes_is_said_and_tried_again(phone: Phone, released: Released) -> None:
    phone.open().connect().stands()
    kept = dict(phone.server.streams)
    phone.server.streams = {}
    kept["bridge"].end()
    phone.says("link-state", "Lost, and tried again: the bridge is gone")
    phone.says("parts", "is not connected")
    phone.server.streams = kept
    phone.page.wait_for_selector("#link-state[data-state=on]")
    phone.infer(released.first)
    phone.page.click("#connect")
    phone.says("link-state", "Not connected")


def test_a_page_hears_a_part_through_tinyops_bridge(released: Released, chromium: Any, tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        streams = (f"tcp:127.0.0.1:{listening.getsockname()[1]}", f"ws-listen:127.0.0.1:{port}")
        bridge = subprocess.Popen([sys.executable, "-m", "tinyops", "bridge", *streams])
        try:
            line, _ = listening.accept()
            with line, beside(released, chromium, tmp_path, line=line) as phone:
                phone.open().connect(f"ws://127.0.0.1:{port}").stands()
                phone.infer(released.first)
        finally:
            bridge.terminate()
            bridge.wait(30)


def test_bytes_from_anybody_take_no_page_along(phone: Phone, released: Released) -> None:
    phone.open().connect().stands()
    noise = bytes(i * 7 % 256 for i in range(60_000))
    for piece in (noise, b"\0" * 5000, b"\x03\x44\x01" * 4000, noise[::-1]):
        phone.noise(piece)
    phone.infer(released.first)
    assert phone.problems == [] and phone.text("faults") == "0"


def test_an_address_that_is_none_is_refused(phone: Phone) -> None:
    phone.open("?upstream=wss://gateway.example:7610")
    assert phone.page.input_value("#address") == "wss://gateway.example:7610"
    for wrong in ("", "gateway", "http://gateway.example", "javascript:alert(1)"):
        phone.page.fill("#address", wrong)
        phone.page.click("#connect")
        phone.says("complaint", "Type the bridge's address")
        assert phone.text("link-state") == "Not connected"


def test_a_second_window_waits_for_the_first_to_be_closed(phone: Phone) -> None:
    phone.open()
    second = phone.window()
    second.goto(phone.server.url)
    sync_api.expect(second.locator("#state")).to_have_text("Open elsewhere", timeout=WAIT_MS)
    phone.page.close()
    second.wait_for_selector("body[data-ready=yes]")
    assert second.inner_text("#state") in ("Running v1", "Waiting for its chain")


def test_a_page_runs_another_set_only_with_its_chain_and_goes_back_with_it(
    released: Released, chromium: Any, tmp_path: Path
) -> None:
    old, new = released.first, released.second
    slots = Slots(tmp_path / "p0", old.parts[0].files["model.so"])
    with beside(released, chromium, tmp_path, slots=slots) as phone:
        phone.open().connect().stands()
        phone.infer(old)
        phone.offer("v2")
        assert "waits v2: 17 golden vectors bit-exact; waits for its chain" in phone.check()
        phone.says("fact-set", f"{old.split.set[:8]}; {new.split.set[:8]} waits for its chain")
        phone.infer(old, 1)  # it waits, and the chain computes
        assert phone.text("fact-release") == "v1"
        phone.page.reload()  # it waits on
        phone.page.wait_for_selector("body[data-ready=yes]")
        assert "waits for its chain" in phone.text("last-update")
        phone.connect().stands()
        phone.infer(old, 2)
        slots.install(new.parts[0].files["model.so"])
        phone.says("last-update", "installed v2: its chain runs it")
        phone.stands().set_of(new)
        phone.infer(new)
        assert (phone.text("fact-release"), phone.text("fact-set")) == ("v2", new.split.set[:8])
        slots.want("a" if slots.runs == "b" else "b")  # the first part alone is asked for the old set
        phone.says("last-update", "reverted v1: its chain went back to it")
        phone.stands().set_of(old)
        phone.infer(old)


def test_a_part_before_with_another_set_is_named(released: Released, chromium: Any, tmp_path: Path) -> None:
    slots = Slots(tmp_path / "p0", released.second.parts[0].files["model.so"])
    with beside(released, chromium, tmp_path, slots=slots) as phone:
        phone.open().connect()
        phone.says("confidence", "p0 runs a part of another set than its neighbour")
        phone.offer("v2")
        phone.check()  # the page is given it, and takes what the chain can run
        phone.stands().set_of(released.second)
        phone.infer(released.second)


def test_a_page_hears_a_part_over_bluetooth_and_finds_it_again(
    released: Released, chromium: Any, tmp_path: Path
) -> None:
    """Chromium's own emulation of a peripheral: its chooser, GATT and what Web Bluetooth does are the browser's."""
    with beside(released, chromium, tmp_path, kind="ble") as phone:
        line = phone.server.streams["bridge"].theirs
        with contextlib.closing(Peripheral(chromium, phone.page, line)) as peripheral:
            phone.open()
            assert phone.text("connect") == "Connect over Bluetooth"
            phone.connect().stands()
            for number in range(2):
                phone.infer(released.first, number)
            peripheral.leave()
            phone.says("link-state", "Lost, and tried again")
            phone.says("parts", "is not connected")
            peripheral.come_back()
            phone.page.wait_for_selector("#link-state[data-state=on]")
            phone.infer(released.first, 2)
            assert peripheral.connections >= 2 and peripheral.longest == 20 and phone.problems == []


def test_a_page_hears_a_part_over_a_cable(released: Released, chromium: Any, tmp_path: Path) -> None:
    """Web Serial, replaced where it begins: a port whose bytes come over the page's own server."""
    with beside(released, chromium, tmp_path, kind="uart") as phone:
        phone.page.add_init_script(SERIAL)
        phone.open()
        assert phone.text("connect") == "Connect the cable"
        phone.connect().stands()
        phone.infer(released.first)
        phone.page.evaluate("window.cable.unplug()")
        phone.says("link-state", "Lost, and tried again: was unplugged")
        phone.says("parts", "is not connected")
        phone.page.evaluate("window.cable.plug()")
        phone.page.wait_for_selector("#link-state[data-state=on]")
        phone.infer(released.first, 1)
        opened = phone.page.evaluate("window.cable.opened")
        assert opened[0] == {"baudRate": 115200, "bufferSize": 4096} and len(opened) >= 2


@pytest.mark.parametrize(("kind", "name"), [("uart", "serial"), ("ble", "bluetooth")])
def test_a_browser_without_such_a_way_says_so(
    released: Released, chromium: Any, tmp_path: Path, kind: LinkKind, name: str
) -> None:
    with beside(released, chromium, tmp_path, kind=kind) as phone:
        phone.page.add_init_script(f"Object.defineProperty(navigator, '{name}', {{value: undefined}})")
        phone.open()
        assert phone.text("complaint").startswith(f"This browser has no Web {name.title()}")
        assert phone.page.is_disabled("#connect") and phone.text("state") == "Waiting for its chain"


def test_a_part_that_takes_its_thread_along_begins_again(phone: Phone, released: Released) -> None:
    phone.open().connect().stands()
    phone.infer(released.first)
    phone.page.evaluate(
        """async () => {
          const { board } = await import(new URL("./chain_board.js", location.href).href);
          board.thread.end("hangs");
        }"""
    )
    phone.says("events", "it begins again")
    assert phone.text("class") == "unavailable" and phone.text("faults") == "1"
    phone.infer(released.first, 1)
    assert phone.text("faults") == "1" and phone.problems == []


def test_a_page_that_is_loaded_again_is_back_in_its_chain(phone: Phone, released: Released) -> None:
    phone.open().connect().stands()
    phone.infer(released.first)
    phone.page.reload()
    phone.page.wait_for_selector("body[data-ready=yes]")
    phone.connect()
    phone.infer(released.first, 1)
    assert phone.problems == []
