"""What the checks say of the datasets that a plan is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from tinyops.datasets.findings import Finding
from tinyops.files import JsonObject
from tinyops.plan.changes import CONTROL, REASON_LIMIT

SIGNS = {"error": "✗", "note": "~", "warning": "!"}
PLACES_IN_PLANS = 3  # recordings below a finding


@dataclass(frozen=True)
class DataFinding:
    """A finding of one dataset. All of its texts are one line each."""

    dataset: str
    finding: Finding

    def __post_init__(self) -> None:
        found = self.finding
        message, hint, *places = map(_one_line, (found.message, found.hint, *found.places))
        object.__setattr__(self, "finding", replace(found, message=message, hint=hint, places=(*places,)))

    def to_json(self) -> JsonObject:
        return {"dataset": self.dataset, **asdict(self.finding), "places": [*self.finding.places]}


def merged(findings: Iterable[DataFinding]) -> tuple[DataFinding, ...]:
    """Each once, though both the index and the files say it; errors first."""
    once = {(f.dataset, f.finding.check, f.finding.message): f for f in findings}
    return tuple(sorted(once.values(), key=lambda f: (f.finding.level, f.dataset)))


def finding_lines(findings: Sequence[DataFinding]) -> Iterator[str]:
    """As text for people; `tinyops data check` lists more of the recordings."""
    for found in findings:
        sentence, *rest = found.finding.text(PLACES_IN_PLANS).split("\n")
        yield f"  {SIGNS[found.finding.level]} {found.finding.level:<8}{'data':<9} {found.dataset}: {sentence}"
        yield from (f"      {line}" for line in rest)


def _one_line(text: str) -> str:
    return CONTROL.sub(" ", text)[:REASON_LIMIT]
