"""A compiled model as a C library of its own: for CMake, for PlatformIO, for anything that compiles C99."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tinyops import __version__
from tinyops.compiler.arena import Span
from tinyops.compiler.c_text import environment, safe
from tinyops.compiler.compiled import CompiledModel
from tinyops.compiler.lowered import CTYPES
from tinyops.compiler.prefixing import PUBLIC_HEADER, check_prefix, with_prefix
from tinyops.errors import UsageError
from tinyops.files import MIB, pretty_json, read_bounded, write_if_changed, writing
from tinyops.graph import Tensor, state_of

MARKER = ".tinyops-library"
NAME_CHARACTERS = 40
FORMATS = {"float32": ("%.9g", "(double)")}
INTEGER_FORMAT = ("%d", "(int)")
# What a header or a CMake target of that name would clash with.
TAKEN = frozenset(
    ("model", "weights", "internal", "run", "test", "tests", "install", "all", "clean", "help", "tinyops", "main")
)


def library_name(file_name: str) -> str:
    """A name for header, macros and targets: a C identifier in lower case, never one that is taken."""
    name = re.sub(r"[^a-z0-9]+", "_", file_name.lower().removesuffix(".tflite"))[:NAME_CHARACTERS].strip("_")
    return name if name[:1].isalpha() and name not in TAKEN else f"compiled_{name}".rstrip("_")


def library_files(compiled: CompiledModel, prefix: str = "") -> dict[str, bytes]:
    """Every file of the library by its relative path. Pure: the same model gives the same bytes.

    A `prefix` names the library and begins each of its symbols. Raises UsageError for one that cannot.
    """
    name = check_prefix(prefix) if prefix else library_name(compiled.graph.name)
    sources = {_place(path): text for path, text in compiled.sources.items()}
    values = _values(compiled, name, bool(prefix)) | {
        "sources": sorted(path for path in sources if path.endswith(".c"))
    }
    texts = {
        **sources,
        f"include/{name}.h": _render("header.h", values),
        "examples/run/main.c": _render("main.c", values),
        "CMakeLists.txt": _render("CMakeLists.txt", values),
        "README.md": _render("README.md", values),
        "library.json": pretty_json(_platformio(compiled, name)).decode(),
    }
    if prefix:
        texts = with_prefix(texts, prefix, f"include/{name}.h")
    return {path: text.encode() for path, text in sorted(texts.items())}


def write_library(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Writes a library, only what changed; returns the paths that were written or removed.

    Raises UsageError for a folder that holds files and is not a library of ours, ToolError when the disk refuses.
    """
    before = _owned(folder)
    changed = [path for path, data in files.items() if write_if_changed(folder / path, data)]
    for path in sorted(before - set(files)):
        with writing(folder / path):
            (folder / path).unlink(missing_ok=True)
        changed.append(path)
    write_if_changed(folder / MARKER, pretty_json({"made_by": "tinyops compile", "files": sorted(files)}))
    return changed


def _owned(folder: Path) -> set[str]:
    """What an earlier call wrote there."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file", hint="name a new folder with -o")
    if not folder.exists() or not any(folder.iterdir()):
        return set()
    try:
        files = json.loads(read_bounded(folder / MARKER, MIB))["files"] if (folder / MARKER).is_file() else None
        paths = [PurePosixPath(path) for path in files or ()]
    except (ValueError, KeyError, TypeError):
        files, paths = None, []
    if files is None or any(path.is_absolute() or ".." in path.parts for path in paths):
        raise UsageError(
            f"{folder}: is not empty and was not made by `tinyops compile`: nothing was written",
            hint="name a new or empty folder with -o",
        )
    return {path.as_posix() for path in paths}


def _place(path: str) -> str:
    """Where a compiled model's file lies in the library: one header is public, the rest is not."""
    if path == PUBLIC_HEADER:
        return path
    return f"src/{path.removeprefix('include/')}"


def _values(compiled: CompiledModel, name: str, own_names: bool) -> dict[str, Any]:
    graph, arena, prefix = compiled.graph, compiled.arena, name.upper()
    rows = compiled.header.input_rows
    inputs = list(_tensors(graph.inputs, graph.tensors, arena.tensors, name, "input"))
    outputs = list(_tensors(graph.outputs, graph.tensors, arena.tensors, name, "output"))
    return {
        "title": safe(graph.name),
        "name": name,
        "prefix": prefix,
        "version": __version__,
        "digest": graph.digest,
        "board": compiled.options.board,
        "cpu": compiled.options.cpu,
        "prefer": compiled.options.prefer,
        "own_names": own_names,
        "arena_bytes": arena.bytes,
        "state_bytes": sum(graph.tensors[i].bytes for i in state_of(graph)),
        "weights_bytes": compiled.weights_bytes,
        "macs": compiled.macs,
        "inputs": inputs,
        "outputs": outputs,
        "tensors": [*inputs, *outputs],
        "input_bytes": rows * sum(tensor["bytes"] for tensor in inputs),
        "rows": rows,
    }


def _tensors(
    indices: Sequence[int], tensors: Sequence[Tensor], spans: Mapping[int, Span], name: str, side: str
) -> Iterator[dict[str, Any]]:
    for number, index in enumerate(indices):
        tensor, several = tensors[index], f"_{number}" if len(indices) > 1 else ""
        quantisation = tensor.quantisation
        form, cast = FORMATS.get(tensor.dtype, INTEGER_FORMAT)
        yield {
            "what": f"{side.capitalize()}{several.replace('_', ' ')}",
            "name": safe(tensor.name),
            "dtype": tensor.dtype,
            "ctype": CTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "count": tensor.elements * spans[index].bytes // tensor.bytes,  # of a row, where rows are streamed
            "bytes": spans[index].bytes,
            "offset": spans[index].offset,
            "macro": f"{name.upper()}_{side.upper()}{several}",
            "function": f"{name}_{side}{several}",
            "variable": f"{side}{several}",
            "scale": _float(quantisation.scales[0]) if quantisation else "",
            "zero_point": quantisation.zero_points[0] if quantisation else 0,
            "format": form,
            "cast": cast,
        }


def _float(value: float) -> str:
    """A float literal for C and for C++ before 17: decimal, exact in single precision."""
    text = f"{value:.9g}"
    return f"{text}f" if any(c in text for c in ".e") else f"{text}.0f"


def _platformio(compiled: CompiledModel, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "version": "1.0.0",
        "description": f"{safe(compiled.graph.name)}, compiled to C by tinyops {__version__}",
        "keywords": ["tinyml", "tinyops"],
        "headers": [f"{name}.h"],
        "frameworks": "*",
        "platforms": "*",
        "build": {"srcDir": "src", "includeDir": "include", "flags": ["-O2"]},
        "examples": [{"name": "run", "base": "examples/run", "files": ["main.c"]}],
    }


def _render(name: str, values: Mapping[str, Any]) -> str:
    return environment().get_template(f"library/{name}.j2").render(values)
