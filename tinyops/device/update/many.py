"""Several devices at once, each in a thread of its own: one that fails stops no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from tinyops.device.transports.kind import Transport
from tinyops.device.update.session import Desk, Updated, update
from tinyops.device.update.settings import Stopped
from tinyops.errors import ExitCode, TinyopsError

WAIT_S = 0.5  # for Ctrl-C, which comes between two waits


@dataclass(frozen=True)
class Outcome:
    """What became of one device: one of the two."""

    address: str
    done: Updated | None = None
    error: TinyopsError | None = None


def update_all(
    devices: Mapping[str, Transport], desk: Desk, *, jobs: int, settle_s: Mapping[str, float] | None = None
) -> tuple[Outcome, ...]:
    """Updates every device, at most `jobs` at once. With Ctrl-C or `desk.stop` what is under way ends between two
    requests, and what has not begun does not begin. Raises nothing that is one device's.
    """
    waits = settle_s or {}

    def one(address: str) -> Outcome:
        try:
            desk.stop.check(address)
            return Outcome(address, update(address, devices[address], desk, settle_s=waits.get(address, 0.0)))
        except TinyopsError as error:
            if len(devices) > 1:  # of one, the error itself is said
                desk.watch.said(address, f"FAILED: {error.message.splitlines()[0].removeprefix(address + ': ')}")
            return Outcome(address, error=error)
        except Exception as error:
            if len(devices) == 1:
                raise
            text = f"{address}: this is a defect of tinyops: {type(error).__name__}: {error}"
            return Outcome(address, error=TinyopsError(text, hint="update it alone to see where, and report that"))

    with ThreadPoolExecutor(max_workers=max(1, min(jobs, len(devices))), thread_name_prefix="update") as pool:
        futures = [pool.submit(one, address) for address in devices]
        try:
            while wait(futures, timeout=WAIT_S).not_done:
                pass
        except KeyboardInterrupt:
            desk.stop.set()
    return tuple(future.result() for future in futures)


def exit_code(outcomes: Sequence[Outcome]) -> ExitCode:
    """Of the whole command: that of the first device that failed; interrupted before all else."""
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if any(isinstance(error, Stopped) for error in errors):
        return ExitCode.INTERRUPTED
    return errors[0].exit_code if errors else ExitCode.OK
