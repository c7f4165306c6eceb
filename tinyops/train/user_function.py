"""Calling the user's function: whatever goes wrong in it is said with the lines of its own file."""

from __future__ import annotations

import importlib.util
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyops.errors import SpecError


def call_entry(path: Path, entry: str, *args: Any, **kwargs: Any) -> Any:
    """Loads the file by itself and calls the function named `entry`.

    Raises SpecError for everything that happens in it, an exit too: a sentence is better than a dead worker.
    """
    try:
        return _load(path, entry)(*args, **kwargs)
    except SpecError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = f"{path.name}: {entry} failed: {type(error).__name__}: {error}"
        raise SpecError("\n".join([what, *own_lines(error, path)]), hint=_hint(error)) from error


def _load(path: Path, entry: str) -> Any:
    spec = importlib.util.spec_from_file_location("architecture", path)
    if spec is None or spec.loader is None:
        raise SpecError(f"{path.name}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = vars(module).get(entry)
    if not callable(function):
        raise SpecError(f"{path.name}: has no function {entry}", hint="entry reads `file.py:function`")
    return function


def _hint(error: BaseException) -> str:
    hints: Mapping[type[BaseException], str] = {
        ImportError: "the file must stand alone: other files of the repository cannot be imported",
        MemoryError: "the model is too large for this machine",
    }
    return next((text for kind, text in hints.items() if isinstance(error, kind)), "")


def own_lines(error: BaseException, path: Path) -> list[str]:
    """The lines of the traceback that lie in the user's file; of a syntax error, its line."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return [f"  {path.name}:{error.lineno}: {(error.text or '').strip()}"]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return [f"  {path.name}:{f.lineno}, in {f.name}: {f.line}" for f in frames]
