"""A release that people have not signed yet: published whole, and offered to no device."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Awaiting:
    """`signed` of the `threshold` people who must sign `version` did; devices are offered `offered`, 0: nothing."""

    version: int
    offered: int
    signed: int
    threshold: int

    def __str__(self) -> str:
        return f"awaiting {self.signed} of {self.threshold}"

    @property
    def sentence(self) -> str:
        """For people: what waits, what devices are offered until then, and what to do."""
        still = f"devices are offered v{self.offered}" if self.offered else "devices are offered nothing"
        if self.signed >= self.threshold:
            counts = f"{self.signed} of {self.threshold}"
            return f"v{self.version} is signed by {counts}: {still} until `tinyops trust publish`."
        return f"v{self.version} is {self}: {still} until enough people ran `tinyops trust sign`."
