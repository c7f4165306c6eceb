"""The last part of a chain as a page: its line and the stream to the part before are WebSockets of its server."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinyops.errors import ToolError
from tinyops.files import digest_bytes
from tinyops.link import Link
from tinyops.twin.chromium import first_line, limit, open_browser, open_page
from tinyops.twin.machine import BOOT_TIMEOUT_S, Boot, SocketStream, WiredBoard
from tinyops.twin.page_server import serving
from tinyops.twin.page_streams import PageStream

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PART = "part.wasm"  # in a page that is a part of a chain
# The page's own board gets a module and its streams. What a person does is done by nobody.
BEGIN = """
async (data) => {
  const { board } = await import(new URL("./chain_board.js", location.href).href);
  const { open } = await import(new URL("./websocket.js", location.href).href);
  await board.boot(Uint8Array.from(atob(data), (character) => character.charCodeAt(0)));
  board.twin = true;
  for (const stream of ["line", "upstream"]) {
    const place = new URL(stream, location.href.replace(/^http/, "ws")).href;
    const way = await open(place, {}, (bytes) => board.take(stream, bytes), () => {});
    board.sinks[stream] = (bytes) => way.write(bytes);
  }
  return board.digest;
}
"""


@dataclass
class PagePart(WiredBoard):
    """A page that runs in a browser here."""

    kind = "browser"
    browser: Browser
    page: Page
    module: bytes
    mark: str

    def begin(self) -> None:
        """Boots the module in the page that is open. Raises ToolError when it runs other bytes than the file's."""
        from playwright.sync_api import Error

        try:
            with limit(BOOT_TIMEOUT_S + 10, self.mark):
                self.page.wait_for_selector("body[data-ready=yes]")
                digest = self.page.evaluate(BEGIN, base64.b64encode(self.module).decode())
        except Error as error:
            raise ToolError(f"{self.name}: the page does not run its part: {first_line(error)}") from error
        if f"sha256:{digest}" != digest_bytes(self.module):
            raise ToolError(f"{self.name}: the page runs another module than the file's")

    def reset(self) -> None:
        self.power_cut()

    def power_cut(self) -> None:
        """The page is closed and opened again."""
        self.page.reload()
        self.begin()

    def has_ended(self) -> bool:
        return not self.browser.is_connected()

    def how_it_ended(self) -> str:
        return "the browser ended, or was stopped at its time limit" if self.has_ended() else ""


@contextlib.contextmanager
def boot_part(what: Boot, files: Mapping[str, bytes], module: bytes) -> Iterator[PagePart]:
    """The released page as a part. Raises ToolError."""
    with contextlib.ExitStack() as stack:
        streams = {name: PageStream.pair() for name in ("line", "upstream")}
        for stream in streams.values():
            stack.callback(stream.close)
        server = stack.enter_context(serving(files, streams=streams))
        browser, mark = stack.enter_context(open_browser(what.board))
        page = open_page(browser, server.url, mark, what.board)
        line = SocketStream(streams["line"].ours, what.board)
        board = PagePart(what.board, Link(line, name=what.board, timeout_s=BOOT_TIMEOUT_S), browser, page, module, mark)
        board.upstream = streams["upstream"].ours
        board.begin()
        yield board
