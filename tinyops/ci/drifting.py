"""Drift as the text of an issue: what devices run beside what is released, the evidence, and what to do next. Pure.

Nothing of it happens by itself: whoever agrees edits a spec, and merging does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tinyops.plan import Plan
from tinyops.plan.gates import Miss
from tinyops.plan.markdown import LIMIT, code_span, mark_of, table_cell
from tinyops.reconcile.device_log import short
from tinyops.reconcile.fleet_status import FleetStatus, Status
from tinyops.reconcile.needs import Need
from tinyops.reconcile.next_steps import NextStep, next_steps
from tinyops.reconcile.states import DRIFTED, Observed, by_state

TITLE = "Drift: devices or releases are not what the specs want"
_ROOM = LIMIT - 2_000
STEPS_SHOWN, STEPS_ROOM = 50, 16_000
WARNINGS_SHOWN, FLEETS_SHOWN = 20, 20
TEXT_CHARACTERS_MAX = 300  # of one cell


def drift_issue(plan: Plan, status: Status, missed: Mapping[str, Sequence[Miss]]) -> tuple[str, bool]:
    """The issue's text, at most LIMIT characters, and whether there is any drift."""
    devices = [device for fleet in status.fleets for device in fleet.devices]
    needs = {(need.device.fleet, need.device.device): need for need in status.needs}
    drifted = [d for d in devices if d.state in DRIFTED or (d.fleet, d.device) in needs]
    steps = next_steps(status, plan, missed)
    lines = [mark_of("drift", plan.project), _head(plan, devices), ""]
    lines += [*_steps(steps), *_problems(status.warnings)]
    for fleet in [fleet for fleet in status.fleets if any(one.verdict == "moved" for one in fleet.moved)][
        :FLEETS_SHOWN
    ]:
        lines += [*_shift(fleet)]
    if drifted:
        lines += ["| fleet | board | device | state | runs | should run | since | crashes | why |", f"|{'---|' * 9}"]
    lines = _with_rows(lines, drifted, needs)
    found = bool(drifted or steps or status.warnings)
    if not found:
        lines += [_well(status, devices)]
    return "\n".join([*lines, ""]), found


def _head(plan: Plan, devices: Sequence[Observed]) -> str:
    released = f"v{plan.released_version}" if plan.released_version else "Nothing"
    counts = ", ".join(f"{count:,} {state}" for state, count in by_state(devices)) or "no device reports yet"
    return f"{released} is released. Devices: {counts}."


def _well(status: Status, devices: Sequence[Observed]) -> str:
    """Where nothing is known to be wrong; who never reported is not said to be well."""
    silent = sum(device.state == "unreported" for device in devices)
    if not status.reporting or len(devices) == silent:
        return "The release is what the specs want. No device reports: what they run is not known."
    left = f" But {silent:,} of {len(devices):,} devices never reported: what they run is not known." if silent else ""
    return f"Everything that is reported is as released.{left}"


def _steps(steps: Sequence[NextStep]) -> Iterator[str]:
    if not steps:
        return
    yield "**What to do next.** Nothing of it happens by itself."
    yield ""
    used = 0
    for number, step in enumerate(steps):
        line = f"- **{step.kind}**{f' {code_span(step.fleet)}' if step.fleet else ''}: {_text(step.why)}. {step.how}"
        used += len(line)
        if number == STEPS_SHOWN or used > STEPS_ROOM:
            yield f"- … and {len(steps) - number:,} more"
            break
        yield line
    yield ""


def _text(text: str) -> str:
    """A sentence that may quote a device: plain words stay words, what could be a link or a mention becomes code."""
    clipped = _clipped(text)
    plain = all(c.isalnum() or c in " .,:;()%'-" for c in clipped) and "www." not in clipped.lower()
    return clipped if plain else code_span(clipped)


def _problems(warnings: Sequence[str]) -> Iterator[str]:
    for warning in warnings[:WARNINGS_SHOWN]:
        yield f"- {code_span(_clipped(warning))}"
    if len(warnings) > WARNINGS_SHOWN:
        yield f"- … and {len(warnings) - WARNINGS_SHOWN:,} more: `tinyops fleet status` lists them."
    if warnings:
        yield ""


def _shift(fleet: FleetStatus) -> Iterator[str]:
    """What devices counted beside what the model was trained and tested on."""
    reference = fleet.reference
    if reference is None:
        return
    yield f"What {fleet.seen.devices:,} devices of {code_span(fleet.name)} see:"
    yield ""
    for name, seen, before in (
        ("class", dict(fleet.seen.classes), reference.classes),
        ("confidence", _tenths(fleet.seen.confidence), _tenths(reference.confidence)),
    ):
        shown = [*before][:100]
        if sum(seen.values()) and shown:
            yield f"| {name} | {' | '.join(table_cell(_clipped(label)) for label in shown)} |"
            yield f"|---|{'--:|' * len(shown)}"
            yield f"| devices | {' | '.join(_shares([seen.get(label, 0) for label in shown]))} |"
            what = "expected" if name == "class" else "test side"
            yield f"| {what} | {' | '.join(_shares([before[label] for label in shown]))} |"
            yield ""


def _tenths(counts: Sequence[int]) -> dict[str, float]:
    return {f"{number / 10:.1f}": count for number, count in enumerate(counts)}


def _shares(counts: Sequence[float]) -> list[str]:
    total = sum(counts) or 1
    return [f"{count / total:.0%}" for count in counts]


def _with_rows(head: Sequence[str], drifted: Sequence[Observed], needs: Mapping[tuple[str, str], Need]) -> list[str]:
    lines, used = [*head], sum(len(line) + 1 for line in head)
    for number, device in enumerate(drifted):
        row = _row(device, needs.get((device.fleet, device.device)))
        used += len(row) + 1
        if used > _ROOM:
            return [*lines, "", f"… and {len(drifted) - number:,} more: `tinyops drift` lists them."]
        lines.append(row)
    return lines


def _row(device: Observed, need: Need | None) -> str:
    report = device.report
    since = report.running.since[:10] if report and report.running else ""
    crashes = f"{report.health.crashes:,}" if report and report.health.crashes else ""
    runs, wanted = short(device.running), short(device.wanted)
    why = _clipped(need.why if need else device.why)
    texts = (device.fleet, device.board, device.device, device.state, runs, wanted, since, crashes, why)
    return f"| {' | '.join(table_cell(text) if text else '' for text in texts)} |"


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARACTERS_MAX else line[: TEXT_CHARACTERS_MAX - 1] + "…"
