"""Drift as the text of an issue: what devices run beside what is released, and what waits to be applied. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tinyops.plan import Plan
from tinyops.plan.markdown import LIMIT, mark_of, table_cell
from tinyops.reconcile.states import DRIFTED, Observed, by_state

TITLE = "Drift: devices or releases are not what the specs want"
_ROOM = LIMIT - 2_000


def drift_issue(
    plan: Plan, devices: Sequence[Observed], unreadable: int, notes: Sequence[str] = ()
) -> tuple[str, bool]:
    """The issue's text, at most LIMIT characters, and whether there is any drift. `notes` are those on metadata."""
    drifted = [device for device in devices if device.state in DRIFTED]
    released = f"v{plan.released_version}" if plan.released_version else "Nothing"
    counts = ", ".join(f"{count:,} {state}" for state, count in by_state(devices)) or "no device reports yet"
    lines = [mark_of("drift", plan.project), f"{released} is released. Devices: {counts}.", ""]
    if plan.pending:
        changes = len(plan.pending)
        noun = "change waits" if changes == 1 else "changes wait"
        lines += [f"{changes:,} {noun} to be applied: the last `tinyops apply` did not run, or failed.", ""]
    if unreadable:
        lines += [f"{unreadable:,} files among the reports are none.", ""]
    lines += [f"- {table_cell(note)}" for note in notes]
    lines += [""] if notes else []
    if drifted:
        lines += ["| fleet | board | device | state | runs | released | why |", f"|{'---|' * 7}"]
    lines = _with_rows(lines, drifted)
    if not (drifted or plan.pending or unreadable or notes):
        lines += ["Everything is as released."]
    return "\n".join([*lines, ""]), bool(drifted or plan.pending or unreadable or notes)


def _with_rows(head: Sequence[str], drifted: Sequence[Observed]) -> list[str]:
    lines, used = [*head], sum(len(line) + 1 for line in head)
    for number, device in enumerate(drifted):
        row = _row(device)
        used += len(row) + 1
        if used > _ROOM:
            return [*lines, "", f"… and {len(drifted) - number:,} more: `tinyops drift` lists them."]
        lines.append(row)
    return lines


def _row(device: Observed) -> str:
    runs, wanted = (d.removeprefix("sha256:")[:12] if d else "-" for d in (device.running, device.wanted))
    texts = (device.fleet, device.board, device.device, device.state, runs, wanted, device.why)
    return f"| {' | '.join(table_cell(text) if text else '' for text in texts)} |"
