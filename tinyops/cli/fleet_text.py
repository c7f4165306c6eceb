"""Where fleets stand, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tinyops.cli.output import Output
from tinyops.files import printable
from tinyops.reconcile.device_log import Line, short
from tinyops.reconcile.fleet_status import FleetStatus, Status
from tinyops.reconcile.needs import Need
from tinyops.reconcile.shifts import Moved
from tinyops.reconcile.states import STATES, State

NEEDS_SHOWN = 20
CHAINS_SHOWN = 10
RUNS_SHOWN = 10
TEXT_CHARACTERS = 90
OPEN_LOOP = "The project has no `reports`: nothing tells what devices run."


def status_text(status: Status, output: Output) -> str:
    """Who needs a person first, then fleet by fleet."""
    parts = [_head(status), *_needs(status.needs, output), *(_fleet(fleet, output) for fleet in status.fleets)]
    return "\n\n".join(parts)


def log_text(lines: Sequence[Line], output: Output) -> str:
    rows = [(line.time, line.source, line.what, line.text) for line in lines]
    return output.table(("time", "by", "what", ""), rows, folded=3)


def _head(status: Status) -> str:
    devices = sum(len(fleet.devices) for fleet in status.fleets)
    released = f"v{status.version}" if status.version else "nothing released"
    fleets = f"{len(status.fleets):,} {'fleet' if len(status.fleets) == 1 else 'fleets'}"
    need = f"{len(status.needs):,} {'needs' if len(status.needs) == 1 else 'need'} a person"
    head = f"{status.project}, {released}: {fleets}, {devices:,} {'device' if devices == 1 else 'devices'}; {need}."
    return head if status.reporting else f"{head}\n{OPEN_LOOP}"


def _needs(needs: Sequence[Need], output: Output) -> Iterator[str]:
    if not needs:
        return
    headers = ("fleet", "board", "device", "state", "why", "do")
    rows = [
        (n.device.fleet, n.device.board, n.device.device, n.device.state, n.why, n.action) for n in needs[:NEEDS_SHOWN]
    ]
    more = len(needs) - NEEDS_SHOWN
    left = (
        f"\n… and {more:,} more: `tinyops fleet status --json` and `tinyops fleet page` list them." if more > 0 else ""
    )
    yield output.table(headers, rows, folded=4) + left


def _fleet(fleet: FleetStatus, output: Output) -> str:
    parts = [_title(fleet)]
    states = [state for state in STATES if state in fleet.states]
    if fleet.waves:
        rows = [
            (f"{w.number}", f"{w.upto:.1%}", "yes" if w.reached else "no", f"{w.devices:,}", *_counts(w.states, states))
            for w in fleet.waves
        ]
        parts.append(output.table(("wave", "up to", "reached", "devices", *states), rows))
    if fleet.devices:
        boards = [(b.name, short(b.wanted), f"{b.devices:,}", *_counts(b.states, states)) for b in fleet.boards]
        parts.append(output.table(("board", "released", "devices", *states), boards))
    if fleet.chains:
        parts.append(_chains(fleet, output))
    if fleet.runs:
        runs = [(short(r.model), r.what, f"{r.devices:,}", f"{r.confirmed:,}") for r in fleet.runs[:RUNS_SHOWN]]
        parts.append(output.table(("runs", "which is", "devices", "confirmed"), runs))
        parts.append(_health(fleet))
    return "\n".join([parts[0], "\n\n".join(parts[1:])]).rstrip()


def _chains(fleet: FleetStatus, output: Output) -> str:
    """Those that are not whole, each with the parts that it lacks."""
    odd = [chain for chain in fleet.chains if chain.state != "whole"]
    whole = f"{len(fleet.chains) - len(odd):,} of {len(fleet.chains):,} chains whole"
    if not odd:
        return whole
    rows = [(chain.name, chain.state, printable("; ".join(chain.parts))) for chain in odd[:CHAINS_SHOWN]]
    more = f"\n… and {len(odd) - CHAINS_SHOWN:,} more" if len(odd) > CHAINS_SHOWN else ""
    return f"{output.table(('chain', 'is', 'parts'), rows, folded=2)}\n{whole}{more}"


def _title(fleet: FleetStatus) -> str:
    model = f", model {fleet.model}" if fleet.model else ""
    return f"{fleet.name}{model}: {fleet.state}{_rollout(fleet)}"


def _rollout(fleet: FleetStatus) -> str:
    rollout = fleet.rollout
    if rollout is None or rollout.any_board is None:
        return ""
    current, waves = rollout.current, len(rollout.any_board.waves)
    if current is None:
        return f"; rollout of v{rollout.any_board.id} not begun, {waves} waves"
    reason = f": {printable(clipped(current.reason))}" if current.reason else ""
    reached = f"{rollout.reached} of {waves} waves reached"
    return f"; rollout of v{current.rollout} {current.state} since {current.since}, {reached}{reason}"


def _health(fleet: FleetStatus) -> str:
    seen = fleet.seen
    figures = [f"{seen.inferences:,} inferences", f"{seen.errors:,} errors", f"{seen.crashes:,} crashes"]
    if seen.self_tests_failed:
        figures.append(f"{seen.self_tests_failed:,} self-tests failed")
    of = f"health of {seen.devices:,} that run the released model"
    return f"{of}: {', '.join(figures)}\n{', '.join(moved_text(moved) for moved in fleet.moved)}"


def moved_text(moved: Moved) -> str:
    said = {
        "unknown": "not compared",
        "too few": "too few to compare",
        "as trained": "as trained",
        "moving": "moving",
        "moved": "moved",
    }[moved.verdict]
    return f"{moved.what} {said}" + (f" (PSI {moved.psi:.2f})" if moved.psi is not None else "")


def _counts(counts: Mapping[State, int], states: Iterable[State]) -> tuple[str, ...]:
    return tuple(f"{counts[state]:,}" if counts.get(state) else "-" for state in states)


def clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARACTERS else line[: TEXT_CHARACTERS - 1] + "…"
