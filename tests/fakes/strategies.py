"""Every strategy for models that a file of this folder offers, so that new operators are found without being named."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

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
