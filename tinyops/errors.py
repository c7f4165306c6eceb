"""The exception roots, named by whose fault it is; each has an exit code and a sentence on what to try.

Foreign exceptions are wrapped where they enter, so that a command ends in one of these or in a
defect of tinyops (exit code 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit status means; the same for every command."""

    OK = 0
    UNFORESEEN = 1
    CHANGES = 2  # only with --detailed-exitcode
    USAGE = 64
    SPEC = 65
    DOES_NOT_FIT = 66
    GATE = 67
    UNSAFE = 68
    REMOTE = 69
    TOOL = 70
    LEASED = 75
    INTERRUPTED = 130


class TinyopsError(Exception):
    """Root of everything that tinyops raises on purpose.

    `message` says what is wrong and where; `hint` says what to do about it.
    """

    exit_code = ExitCode.UNFORESEEN

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(TinyopsError):
    """The command line is wrong."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong at one place in a file that a user wrote. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text}\n  {self.hint}" if self.hint else text


class SpecError(TinyopsError):
    """A spec, a board file, a lock, a dataset or a model file is wrong: everything found, at once."""

    exit_code = ExitCode.SPEC

    def __init__(self, problems: Sequence[Problem] | str, *, hint: str = "") -> None:
        if isinstance(problems, str):
            self.problems: tuple[Problem, ...] = ()
            super().__init__(problems, hint=hint)
        else:
            self.problems = tuple(sorted(set(problems)))
            super().__init__("\n".join(_texts(self.problems)), hint=hint)


def _texts(problems: Sequence[Problem]) -> Iterator[str]:
    """Each problem; of those that follow each other with one hint the last one alone says it."""
    for problem, following in zip(problems, [*problems[1:], None], strict=True):
        same = following is not None and following.hint == problem.hint
        yield str(replace(problem, hint="") if same else problem)


class DoesNotFit(TinyopsError):
    """An image is larger than its slot, or an arena larger than the board's.

    `image_bytes` and `arena_bytes` are what the model needs, `firmware_bytes` what its firmware does, where that is
    known: other boards may have it.
    """

    exit_code = ExitCode.DOES_NOT_FIT

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        image_bytes: int | None = None,
        arena_bytes: int | None = None,
        firmware_bytes: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.image_bytes = image_bytes
        self.arena_bytes = arena_bytes
        self.firmware_bytes = firmware_bytes


class GateMissed(TinyopsError):
    """A built model is not as good as its spec demands."""

    exit_code = ExitCode.GATE


class UnsafePlan(TinyopsError):
    """The plan is stale, or does more harm than its limits allow without force."""

    exit_code = ExitCode.UNSAFE


class RemoteError(TinyopsError):
    """A store, a release or a server failed, or what it sent cannot be trusted."""

    exit_code = ExitCode.REMOTE


class ToolError(TinyopsError):
    """A compiler, an emulator, an interpreter or the machine itself failed or is missing."""

    exit_code = ExitCode.TOOL


class Leased(TinyopsError):
    """Another apply holds the lease."""

    exit_code = ExitCode.LEASED
