"""Metrics as Prometheus reads them: the text exposition format, version 0.0.4."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

TEXT = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Metric:
    """Samples of one name, each with its labels."""

    name: str
    kind: str
    about: str
    samples: Sequence[tuple[Labels, float]]

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.about}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
            yield f"{self.name}{{{shown}}} {_number(value)}" if shown else f"{self.name} {_number(value)}"


def exposition(metrics: Iterable[Metric]) -> bytes:
    return ("\n".join(line for metric in metrics for line in metric.lines()) + "\n").encode()


def counters(name: str, about: str, label: str, counts: Mapping[str, int]) -> Metric:
    return Metric(name, "counter", about, [(((label, key),), float(n)) for key, n in sorted(counts.items())])


def gauge(name: str, about: str, value: float) -> Metric:
    return Metric(name, "gauge", about, [((), value)])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def resident_bytes() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else most * 1024)
