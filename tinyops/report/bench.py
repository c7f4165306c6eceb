"""What `tinyops bench` found, as lines, rows and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.files import JsonObject

if TYPE_CHECKING:
    from tinyops.build.bench import Bench
    from tinyops.build.measurements import Factor, Measurement

OPERATOR_HEADERS = ("", "operator", "output", "MACs", "of all", "weights", "instructions", "a MAC", "name")
DIFFERENCES_SHOWN = 5
NAME_SHOWN = 48
EMULATED = "true: an emulator answered; cycles and times are its own and mean nothing"
NOT_COUNTED = "not counted: this machine does not let a program count them"


def bench_json(result: Bench, factor: Factor | None = None) -> JsonObject:
    """Everything, unrounded; bytes and counts, units in the names. `milliseconds` where such boards were measured."""
    return {
        **_times(result, factor),
        "model": result.model,
        "model_digest": result.model_digest,
        "model_bytes": result.model_bytes,
        "board": result.board,
        "twin": result.twin,
        "prefer": result.prefer,
        "tools": dict(result.tools),
        "vectors": result.vectors,
        "bit_exact": result.bit_exact,
        "differences": list(result.differences),
        "flash_bytes": {"code": result.flash.code, "weights": result.flash.weights, "total": result.flash.total},
        "ram_bytes": {
            "static": result.ram.static,
            "arena": result.ram.arena,
            "stack": result.ram.stack,
            "total": result.ram.total,
        },
        "instructions": result.instructions,
        "predicted_instructions": result.predicted_instructions,
        "instructions_resolution": result.resolution,
        "macs": result.macs,
        "instructions_per_mac": result.instructions_per_mac,
        "operators": list(result.operators),
        "not_covered": list(result.not_covered),
    }


def _times(result: Bench, factor: Factor | None) -> JsonObject:
    if factor is None or result.instructions is None:
        return {}
    return {"milliseconds": factor.milliseconds(result.instructions), "measured_runs": factor.runs}


def summary(result: Bench, factor: Factor | None = None) -> list[str]:
    """The figures as aligned lines; a time only from what boards of that name were measured to take."""
    tools = ", ".join(f"{name} {version}" for name, version in result.tools.items())
    flash, ram = result.flash, result.ram
    of = "firmware, with the model linked in" if result.linked else "model image"
    return [
        f"{result.model} on {result.board}: {result.twin}, {tools}, prefer {result.prefer}",
        "",
        f"bit_exact     {_verdict(result)}",
        *(f"              {text}" for text in result.differences[:DIFFERENCES_SHOWN]),
        f"flash_bytes   {flash.total:,}: code {flash.code:,}, weights {flash.weights:,} (the whole {of})",
        f"ram_bytes     {ram.total:,}: static {ram.static:,}, arena {ram.arena:,}, stack {ram.stack:,} (painted)",
        f"instructions  {_instructions(result)}",
        *_prediction(result),
        *([f"time          {factor.describe(result.instructions)}"] if factor and result.instructions else []),
        f"macs          {result.macs:,}",
    ]


def _prediction(result: Bench) -> list[str]:
    """What the compiler took it for, and by how much that was wrong."""
    predicted, counted = result.predicted_instructions, result.instructions
    if predicted is None:
        return []
    error = f", {100 * (predicted / counted - 1):+.1f} %" if counted else ""
    return [f"predicted     {predicted:,} instructions, by the costs of kernels{error}"]


def measured_lines(measured: Measurement, differences: Sequence[str], path: Path | None) -> list[str]:
    """What a board at a port did, as aligned lines; `path` is the file that says so from now on."""
    cycles, times = measured.cycles, measured.microseconds
    exact = f"{measured.vectors} of {measured.vectors} vectors as tflite-micro computes them"
    wrong = f"{len(differences)} outputs differ from tflite-micro; nothing is written"
    emulated = [f"emulated      {EMULATED}"] if measured.emulated else []
    return [
        f"{measured.model} on {measured.board} ({measured.cpu}), {measured.compiler}, prefer {measured.prefer}",
        "",
        f"bit_exact     {f'true: {exact}' if measured.bit_exact else f'false: {wrong}'}",
        *(f"              {text}" for text in differences[:DIFFERENCES_SHOWN]),
        f"cycles        {cycles.max:,.0f}: the most; least {cycles.min:,.0f}, median {cycles.median:,.0f}",
        f"microseconds  {times.max:,.0f}: the most; least {times.min:,.0f}, median {times.median:,.0f}",
        f"core_hz       {measured.core_hz:,}: by its own clocks; the catalogue has {measured.clock_hz:,}",
        f"stack_bytes   {measured.stack_bytes:,} (painted)",
        f"outputs       {measured.outputs_digest[:19]}",
        *emulated,
        *([f"written       {path}"] if path else []),
    ]


def _verdict(result: Bench) -> str:
    if result.bit_exact:
        return f"true: {result.vectors} of {result.vectors} vectors as tflite-micro computes them"
    return f"false: {len(result.differences)} outputs differ from tflite-micro; please report it with the model"


def _instructions(result: Bench) -> str:
    if result.instructions is None:
        return NOT_COUNTED
    per_mac = f", {result.instructions_per_mac:.2f} a MAC" if result.instructions_per_mac else ""
    step = f"{result.resolution:g}" if result.resolution else "?"
    return f"{result.instructions:,}: the most of any vector, counted in steps of {step}{per_mac}"


def operator_rows(result: Bench) -> list[tuple[str, ...]]:
    """One row an operator, in the order in which they run."""
    rows: list[tuple[str, ...]] = []
    for layer in result.operators:
        share = f"{100 * layer['macs'] / result.macs:.1f} %" if layer["macs"] and result.macs else "-"
        shape = ", ".join("x".join(map(str, shape)) for shape in layer["outputs"])
        weights = f"{layer['weights_bytes']:,}" if layer["weights_bytes"] else "-"
        macs = f"{layer['macs']:,}" if layer["macs"] else "-"
        figures = (macs, share, weights, *_counted(layer))
        rows.append((str(layer["number"]), layer["operator"], shape, *figures, shortened(layer["name"])))
    return rows


def _counted(layer: JsonObject) -> tuple[str, str]:
    """An operator's instructions, and those for each of its multiply-accumulates, where they were counted."""
    count, macs = layer["instructions"], layer["macs"]
    if count is None:
        return "-", "-"
    return f"{count:,}", f"{count / macs:.2f}" if macs else "-"


def operator_table(result: Bench) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headers and rows, without the columns in which nothing was counted."""
    rows = operator_rows(result)
    if any(layer["instructions"] is not None for layer in result.operators):
        return OPERATOR_HEADERS, rows
    dropped = {OPERATOR_HEADERS.index("instructions"), OPERATOR_HEADERS.index("a MAC")}
    kept = [i for i in range(len(OPERATOR_HEADERS)) if i not in dropped]
    return tuple(OPERATOR_HEADERS[i] for i in kept), [tuple(row[i] for i in kept) for row in rows]


def shortened(name: str, limit: int = NAME_SHOWN) -> str:
    """A tensor's name as it may stand on a terminal: printable, the first of fused layers, its end kept."""
    text = "".join(c if c.isprintable() else "?" for c in name).partition(";")[0]
    return text if len(text) <= limit else f"…{text[-limit + 1 :]}"
