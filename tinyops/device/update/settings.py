"""What a person may say about an update, and how patient it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tinyops.errors import ExitCode, TinyopsError, ToolError


class UpdateFailed(ToolError):
    """The device refused an image or went back to its old one; the message says why, in its words."""


class GivenUp(UpdateFailed):
    """The device refused an image for what it is, or went back from it: sent again it ends the same way.

    `digest` is the image's. A trial that a reset ended is not `certain`: it may have been the device's power.
    """

    def __init__(
        self,
        message: str,
        *,
        digest: bytes,
        result: Literal["refused", "reverted"],
        certain: bool = True,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.digest, self.result, self.certain = digest, result, certain


class Stopped(TinyopsError):
    """Somebody stopped the update; what the device has of it stays, and it goes on from there next time."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True)
class Patience:
    """Time limits in seconds. `away_s`: a device whose link is lost, or that starts again; `trial_s`: from `test` until
    an image runs, which for a model is up to a window of its input; `in_all_s`: one device from start to end.
    """

    away_s: float = 60.0
    trial_s: float = 60.0
    self_test_s: float = 30.0
    in_all_s: float = 3600.0
    poll_s: float = 0.25


@dataclass(frozen=True)
class Wish:
    """What is to be done with every device."""

    confirm: bool = True
    anyway: bool = False  # send what this side knows that the device will refuse
    patience: Patience = field(default_factory=Patience)


class Watch(Protocol):
    """Who is told how it goes; called from the thread of each device."""

    def said(self, device: str, text: str) -> None: ...

    def moved(self, device: str, done: int, total: int) -> None:
        """`done` of `total` bytes of what is being sent have arrived."""


class Stop(threading.Event):
    """Set to stop what is under way, between two requests."""

    def check(self, device: str) -> None:
        if self.is_set():
            raise Stopped(
                f"{device}: stopped; it runs what it ran", hint="run the same command again: it goes on from there"
            )
