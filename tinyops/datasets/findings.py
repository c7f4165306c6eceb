"""What is said of a dataset, as plans and releases carry it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

PLACES_SHOWN = 10
Severity: TypeAlias = Literal["error", "note", "warning"]


@dataclass(frozen=True)
class Finding:
    """What is said of a dataset; a note asks for nothing.

    `places` are the first recordings concerned, `total` is how many there are.
    """

    check: str
    level: Severity
    message: str
    places: tuple[str, ...] = ()
    total: int = 0
    hint: str = ""

    def __str__(self) -> str:
        return self.text()

    def text(self, shown: int = PLACES_SHOWN) -> str:
        """The sentence, the first of its recordings below it, what to do."""
        places = self.places[:shown]
        more = [f"… and {self.total - len(places):,} more"] if self.total > len(places) else []
        hint = [self.hint] if self.hint else []
        return "\n  ".join([f"{self.check}: {self.message}", *places, *more, *hint])


def errors_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that stop."""
    return tuple(finding for finding in findings if finding.level == "error")


def read_finding(value: Mapping[str, Any]) -> Finding:
    """A finding that was written as JSON. Raises ValueError for what is none."""
    try:
        return Finding(**{**value, "places": tuple(map(str, value["places"]))})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a finding: {error}") from error
