"""Devices that fetch by themselves: they poll the release store, so there is nothing to push to."""

from __future__ import annotations

from typing import NoReturn

from tinyops.device.transports.kind import Channel, Traits
from tinyops.errors import UsageError


class HttpTransport:
    """By the URL of a release store, which names no device."""

    name = "http"
    form = "https://HOST/PATH, the release store"
    about = "the device polls and fetches by itself: nothing is pushed"

    def takes(self, address: str) -> bool:
        return address.startswith(("http://", "https://", "github:"))

    def check(self, address: str) -> None:
        self._refuse(address)

    def traits(self, address: str) -> Traits:  # noqa: ARG002
        return Traits(framing="none", window=0, resend_s=None, connect_s=0.0)

    def open(self, address: str, *, settle_s: float = 0.0) -> Channel:  # noqa: ARG002
        self._refuse(address)

    def _refuse(self, address: str) -> NoReturn:
        raise UsageError(
            f"{address}: is a release store, from which devices fetch by themselves: nothing is pushed to them",
            hint="`tinyops apply` publishes there; the device takes it at its next poll",
        )
