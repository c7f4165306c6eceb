"""What int8 cost a released model: each class before and after, its calibration, the layers that lose most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinyops.documents import closest
from tinyops.errors import UsageError
from tinyops.files import JsonObject
from tinyops.manifest.document import Manifest

CLASS_HEADERS = ("class", "float", "int8", "validation", "of the test")
LAYER_HEADERS = ("layer", "operator", "lost dB", "left dB", "clipped")


def squeezed_facts(manifest: Manifest, model: str) -> dict[str, JsonObject]:
    """The facts of each variant of a model, by its name. Raises UsageError for a model that the release has not."""
    found: dict[str, dict[str, JsonObject]] = {}
    for step, record in sorted(manifest.steps.items()):
        kind, _, subject = step.partition(":")
        if kind == "squeeze":
            name, _, variant = subject.partition("/")
            found.setdefault(name, {})[record.facts.get("variant", variant)] = record.facts  # what a pin is of
    if model not in found:
        hint = closest(model, found) or f"it has {', '.join(found) or 'none'}"
        raise UsageError(f"release {manifest.tag} has no model {model!r}", hint=hint)
    return found[model]


def class_rows(facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Recall of each class by CLASS_HEADERS; none where there was no data."""
    before, after = facts.get("recall_float") or {}, facts.get("recall") or {}
    validated = (facts.get("validation") or {}).get("recall", {})
    return [
        (name, _share(before.get(name)), _share(its), _share(validated.get(name)), f"{its['right']}/{its['total']}")
        for name, its in after.items()
    ]


def layer_rows(facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The layers that lose most, by LAYER_HEADERS."""
    return [
        (
            layer["layer"],
            layer["operator"],
            f"{layer['lost_db']:.1f}",
            f"{layer['sqnr_db']:.1f}",
            f"{100 * layer['clipped_share']:.2f} %",
        )
        for layer in (facts.get("layers") or {}).get("worst", [])
    ]


def calibration_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """How the ranges were found, and what is to be known of them."""
    found = facts.get("calibration")
    if not found:
        return
    state = "the ranges had settled" if found["converged"] else "all there are; the ranges had not settled"
    yield f"calibrated with {found['windows']:,} windows: {state}"
    yield from found["warnings"]
    for outlier in found["outliers"]:
        named = ", ".join(outlier["recordings"])
        yield f"the range of {outlier['tensor']} is {outlier['factor']:g} times as wide for {named}"


def layer_line(facts: Mapping[str, Any]) -> str:
    """What the table of layers is of; nothing where no layer was compared."""
    found = facts.get("layers")
    if not found:
        return ""
    if "failed" in found:
        return f"layers were not compared: {found['failed']}"
    side = "the validation side" if found["side"] == "validation" else "the training side"
    return (
        f"layers that lose most, of {found['layers']}, in {found['windows']} windows of {side}:"
        if found["worst"]
        else f"no layer of {found['layers']} loses 0.1 dB, in {found['windows']} windows of {side}"
    )


def _share(value: Mapping[str, Any] | None) -> str:
    return f"{value['point']:.3f}" if value else "-"
