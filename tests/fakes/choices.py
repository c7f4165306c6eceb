"""A decision among variants, as a choose step records it; names and reasons on it are hostile."""

from __future__ import annotations

from typing import Any

from tinyops.artifacts import Record
from tinyops.manifest.choice import ChoiceFacts, choice_facts
from tinyops.report.choices_page import Chosen

HOSTILE = "<script>alert(1)</script>&\"'`|\x1b[2J\u202e"


def candidate(variant: str, point: float | None, flash: int | None, lost: str = "") -> dict[str, Any]:
    rate = {"point": point, "right": round(point * 20), "total": 20} if point is not None else None
    costs = {
        "flash_bytes": flash,
        "ram_bytes": flash and flash // 4,
        "image_bytes": flash and flash * 19 // 20,
        "arena_bytes": flash and flash // 10,
        "stack_bytes": 100,
        "instructions": flash and flash * 10,
        "milliseconds": None,
    }
    return {"variant": variant, "accuracy": point, "recordings": rate, **costs, "lost": lost}


def recorded(**changes: Any) -> dict[str, Any]:
    candidates = [
        candidate("int8", 0.95, 40_000, "takes 20,000 bytes more flash (prefer: size)"),
        candidate("w0.5", 0.945, 20_000),
        candidate("w0.25", 0.9, 10_000, "4.5 points less accurate than int8 (loss_max 0.01)"),
        candidate("c0.3", 0.94, 24_000, "w0.5 is more accurate"),
        candidate("d0.5", 0.96, None, "needs 20,000 bytes more flash than there is room for a model"),
        candidate("w0.01", None, None, HOSTILE),
    ]
    budget = {"model_room_bytes": 50_000, "arena_room_bytes": 9_000, "gates": {"flash_bytes_max": 45_000}}
    made = {
        "schema": 1,
        "board": "microbit",
        "prefer": "size",
        "loss_max": 0.01,
        "searched": True,
        "picked": "w0.5",
        "why": f"the least flash {HOSTILE}",
        "front": ["int8", "w0.5", "w0.25"],
        "unmet": [],
        "candidates": candidates,
        "budget": budget,
    }
    return {**made, **changes}


def choice(**changes: Any) -> ChoiceFacts:
    return choice_facts(recorded(**changes), "choice")


def chosen(**changes: Any) -> Chosen:
    return Chosen("wrist", "microbit", choice(**changes))


def choose_record(fleet: str, board: str) -> Record:
    facts = {"variant": "w0.5", "choice": recorded()}
    return Record(f"choose:{fleet}/{board}", "sha256:" + "0" * 64, {}, {}, {}, {}, {}, facts)
