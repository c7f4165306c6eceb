"""An event loop in a thread of its own, for links whose packages are asynchronous and whose callers are not."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any

END_S = 5.0


class OwnLoop:
    """Runs until `end`. Threads may share it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def is_ended(self) -> bool:
        return self._loop.is_closed()

    def start(self, work: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Begins work, and waits for nothing."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        """Raises TimeoutError, after which the work is cancelled, and what the work raises."""
        future = self.start(work)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    def cancel(self, work: concurrent.futures.Future[Any], timeout_s: float) -> None:
        """Ends what `start` began, and waits until it has put away what it had."""
        work.cancel()
        self.run(self._settled(), timeout_s)

    async def _settled(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others)

    def end(self) -> None:
        """A thread that does not end in time is left alone, and its loop with it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_S)
        if self._thread.is_alive():
            return
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))  # what was cancelled, or closed a moment ago, ends
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
