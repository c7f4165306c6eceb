"""Every strategy for models that a file of this folder offers, so that new operators are found without being named."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

HERE = Path(__file__).parent


@cache
def all_strategies() -> dict[str, SearchStrategy[bytes]]:
    """Name -> strategy, of every dictionary of strategies in a `..._models.py` beside this file."""
    found: dict[str, SearchStrategy[bytes]] = {}
    for path in sorted(HERE.glob("*_models.py")):
        module = importlib.import_module(f"fakes.{path.stem}")
        for value in vars(module).values():
            if isinstance(value, dict) and value and all(isinstance(v, SearchStrategy) for v in value.values()):
                found.update(value)
    return dict(sorted(found.items()))


def drawn(name: str, count: int, *, same: bool = False) -> list[bytes]:
    """Models of a strategy, to be run together: others every time, or the `same`."""
    found: list[bytes] = []

    @settings(
        max_examples=count,
        derandomize=same,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(model=all_strategies()[name])
    def collect(model: bytes) -> None:
        found.append(model)

    collect()
    return found
