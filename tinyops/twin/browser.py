"""Phones: the released page in Debian's Chromium without a screen, its own board object in place of a link."""

from __future__ import annotations

import base64
import contextlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyops.errors import ToolError
from tinyops.files import MIB, digest_bytes, digest_json, read_bounded
from tinyops.link import Hello, LinkClosed, LinkError, Result, Stats, Tensor, Timing
from tinyops.link.protocol import LINK_VERSION
from tinyops.manifest.contract import ABI
from tinyops.twin.chromium import first_line, limit, open_browser, open_page
from tinyops.twin.machine import BOOT_TIMEOUT_S, INVOKE_TIMEOUT_S, Bare, Boot
from tinyops.twin.page_part import PART, PagePart, boot_part
from tinyops.twin.page_server import read_page, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MODULE_LIMIT_BYTES = 64 * MIB
NOT_COUNTED = "instructions: a browser does not let a page count them"
TICK_HZ = 1  # nothing is counted
# One request to the page's own board; bytes travel as base64.
ASK = """
async ([call, data]) => {
  const { board } = await import(new URL("./board.js", location.href).href);
  const given = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const text = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte & 0xff)).join(""));
  const calls = {
    boot: async () => ({ header: await board.boot(given), digest: board.digest, contract: board.page.contractDigest }),
    restart: () => board.restart(),
    write: () => board.ask("write", { data: given }),
    invoke: () => board.ask("invoke"),
    input: async () => text(await board.ask("input")),
    output: async () => text(await board.ask("output")),
    push: async () =>
      (await board.push(new Int16Array(given.buffer))).map(({ best, outputs }) => ({ best, values: text(outputs) })),
    stats: () => board.ask("stats"),
  };
  try {
    return { answer: (await calls[call]()) ?? null };
  } catch (error) {
    return { fault: error.message };
  }
}
"""


class BrowserLink:
    """The requests of a link, answered by the page's board. Every call may raise a LinkError."""

    def __init__(self, page: Page, name: str, module: bytes, mark: str) -> None:
        self._page, self._name, self._module, self._mark = page, name, module, mark
        self._results = 0

    def hello(self, timeout_s: float | None = None) -> Hello:
        """Boots the module in the page. Raises ToolError when the page runs other bytes than the file's."""
        found = self._ask("boot", self._module, timeout_s or BOOT_TIMEOUT_S)
        if f"sha256:{found['digest']}" != digest_bytes(self._module):
            raise ToolError(f"{self._name}: the page runs another module than the file's")
        header = found["header"]
        return Hello(
            link=LINK_VERSION,
            state=0,
            abi=ABI,
            contract=bytes.fromhex(found["contract"]),
            model_contract=bytes.fromhex(header["contract"]),
            image_bytes=len(self._module),
            image_crc=zlib.crc32(self._module),
            arena_bytes=header["arena_bytes"],
            arena_needed=header["arena_bytes"],
            board=self._name,
            **{name: header[name] for name in _SIZES},
        )

    def write_input(self, data: bytes) -> None:
        self._ask("write", data)

    def invoke(self, timeout_s: float | None = None) -> Timing:
        self._ask("invoke", timeout_s=timeout_s)
        return Timing(0, TICK_HZ)

    def read_tensor(self, tensor: Tensor, count: int) -> bytes:
        found = base64.b64decode(self._ask("output" if tensor == Tensor.OUTPUT else "input"))
        if len(found) < count:
            raise LinkError(f"has a tensor of {len(found)} bytes where {count} were asked for")
        return found[:count]

    def sample(self, frame: Sequence[int], timeout_s: float | None = None) -> Result | None:
        found = self._ask("push", struct.pack(f"<{len(frame)}h", *frame), timeout_s)
        if not found:
            return None
        values = base64.b64decode(found[0]["values"])
        self._results += 1
        return Result(self._results - 1, 0, found[0]["best"], len(values), values)

    def stats(self) -> Stats:
        found = self._ask("stats")
        return Stats(found["stackUsed"], found["stackBytes"], found["staticBytes"], found["inferences"], 0)

    def reset_state(self) -> None:
        self._results = 0
        self._ask("restart")

    def _ask(self, call: str, data: bytes = b"", timeout_s: float | None = None) -> Any:
        from playwright.sync_api import Error

        with limit(timeout_s or INVOKE_TIMEOUT_S, self._mark):
            try:
                found = self._page.evaluate(ASK, [call, base64.b64encode(data).decode()])
            except Error as error:
                raise LinkClosed(f"{self._name}: the page is gone: {first_line(error)}") from error
        if "fault" in found:
            raise LinkError(found["fault"])
        return found["answer"]


_SIZES = ("input_bytes", "output_bytes", "frame_values", "window_frames", "hop_frames")


@dataclass
class BrowserBoard(Bare):
    """A page that runs in a browser here."""

    kind = "browser"
    name: str
    link: BrowserLink
    browser: Browser

    def how_it_ended(self) -> str:
        return "" if self.browser.is_connected() else "the browser ended, or was stopped at its time limit"


@contextlib.contextmanager
def boot(what: Boot) -> Iterator[BrowserBoard | PagePart]:
    """The released page with the model's module; of a part of a chain a board with a line.

    Raises ToolError where Chromium or Playwright is missing."""
    module = read_bounded(what.file("model.wasm"), MODULE_LIMIT_BYTES)
    files = read_page(what.file("page.zip"))
    wanted = digest_json(what.contract).removeprefix("sha256:")
    if wanted.encode() not in files.get("page.js", b""):
        raise ToolError(f"{what.board}: its page was built for another contract", hint="build the firmware again")
    if PART in files:
        with boot_part(what, files, module) as part:
            yield part
        return
    with serving(files) as server, open_browser(what.board) as (browser, mark):
        page = open_page(browser, server.url, mark, what.board)
        yield BrowserBoard(what.board, BrowserLink(page, what.board, module, mark), browser)
