"""What a firmware must know to run an image: the contract, which changes with the task and not with the weights.

Both sides make it here: the compiler from the finished model, the firmware (and `plan`) from the specs alone,
before anything is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinyops.files import JsonObject, digest_json

ABI = 1
COLLECT = 1  # version of a collector's contract
_SIGNAL_FIELDS = ("sensor", "channels", "units", "full_scale", "rate_hz")


def contract_of(
    *,
    signal: Mapping[str, Any] | None,
    frames: tuple[int, int, int],
    output: JsonObject,
    arena_bytes: int | None,
    tensors: Sequence[JsonObject] | None = None,
) -> JsonObject:
    """The contract as JSON.

    `signal` is a dataset's; `frames` are values in a frame, frames in a window and in a hop, all 0 for
    a model that takes tensors, which `tensors` then describe; `output` names classes, type and bytes;
    `arena_bytes` is the board's, None where memory is not the limit.
    """
    given: JsonObject = {name: _plain(signal[name]) if signal else None for name in _SIGNAL_FIELDS}
    if tensors is not None:
        given["tensors"] = list(tensors)
    given |= dict(zip(("frame_values", "window_frames", "hop_frames"), frames, strict=True))
    return {"abi": ABI, "input": given, "output": output, "arena_bytes": arena_bytes}


def classifier_contract(
    signal: Mapping[str, Any], classes: Sequence[str], frames: tuple[int, int, int], arena_bytes: int | None
) -> JsonObject:
    """The contract of a model that is still to be trained: int8 shares of classes from frames of a signal.

    `frames` are samples of each channel in a frame, frames in a window and in a hop.
    """
    output = {"classes": list(classes), "type": "int8", "bytes": len(classes)}
    samples, *window = frames
    counts = (frame_values(signal) * samples, window[0], window[1])
    return contract_of(signal=signal, frames=counts, output=output, arena_bytes=arena_bytes)


def collector_contract(signal: Mapping[str, Any]) -> JsonObject:
    """What a board that records for a dataset must send, as JSON: the dataset's signal, and no model's needs. Its
    digest is what the collector's HELLO says, and what whoever records compares."""
    given: JsonObject = {name: _plain(signal[name]) for name in _SIGNAL_FIELDS}
    size = signal.get("size")
    given |= {"size": [int(part) for part in size] if size else None, "frame_values": frame_values(signal)}
    return {"collect": COLLECT, "input": given}


def part_contract(whole: JsonObject, position: int, parts: int) -> JsonObject:
    """A part's contract from the whole model's: frames are the first part's, classes the last one's. Where the model is
    cut is nothing that its firmware depends on."""
    given = {name: value for name, value in whole["input"].items() if name != "tensors"}
    if position > 0:
        given = {name: 0 if isinstance(value, int) else None for name, value in given.items()}
        given["rate_hz"] = None
    output = whole["output"] if position == parts - 1 else {"classes": None, "type": "int8", "bytes": 0}
    return {**whole, "input": given, "output": output, "part": {"position": position, "parts": parts}}


def frame_values(signal: Mapping[str, Any]) -> int:
    """int16 values in one sample: channels, times height and width for images. A frame holds one sample or more."""
    height, width = signal.get("size") or (1, 1)
    return len(signal["channels"]) * int(height) * int(width)


def contract_digest(contract: JsonObject) -> str:
    """`sha256:…` of the contract's canonical JSON; its bytes stand in every image's header."""
    return digest_json(contract)


def _plain(value: Any) -> Any:
    """JSON's own types, and numbers as floats, so that 40 and 40.0 are one contract."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
