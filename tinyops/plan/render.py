"""A plan as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tinyops.plan.awaiting import Awaiting
from tinyops.plan.chains import ChainCuts, chain_lines
from tinyops.plan.changes import Action, Change, Plan
from tinyops.plan.findings import DataFinding, finding_lines
from tinyops.plan.prices import Price

NOTABLE = 0.01  # of accuracy
SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.MOVE: ">",
    Action.DELETE: "-",
    Action.KEEP: "=",
    Action.HELD: "!",
}


def plan_text(
    plan: Plan,
    *,
    verbose: bool = False,
    awaiting: Awaiting | None = None,
    findings: Sequence[DataFinding] = (),
    chains: Sequence[ChainCuts] = (),
    prices: Sequence[Price] = (),
) -> str:
    """Every change with its reasons; what is kept only with `verbose`. Ends without a newline."""
    released = f"released v{plan.released_version}" if plan.released_version else "nothing released yet"
    lines = [f"{plan.project}: {released}", *([awaiting.sentence] if awaiting else []), ""]
    if shown := changes_text(plan.changes, verbose=verbose):
        lines += [shown, ""]
    if chains:
        lines += ["Chains:", *chain_lines(chains), ""]
    if chosen := [choice_line(price) for price in prices if price.chosen is not None and price.now is not None]:
        lines += ["Variants:", *chosen, ""]
    if findings:
        lines += [*finding_lines(findings), ""]
    return "\n".join([*lines, summary(plan)])


def changes_text(changes: Iterable[Change], *, verbose: bool = False) -> str:
    """Changes with their reasons, a line each; empty where there is nothing to show."""
    shown = [change for change in changes if verbose or change.action is not Action.KEEP]
    return "\n".join(line for change in shown for line in _change_lines(change))


def summary(plan: Plan) -> str:
    """The last line: counts, and the plan's digest."""
    if not plan.pending and not plan.count(Action.HELD):
        return f"No changes. {len(plan.changes)} steps and fleets are as released."
    counts = ", ".join(
        f"{plan.count(action)} to {action.value}"
        for action in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE)
    )
    counts += f", {plan.count(Action.MOVE)} to move" if plan.count(Action.MOVE) else ""
    held = f", {plan.count(Action.HELD)} held" if plan.count(Action.HELD) else ""
    return f"Plan: {counts}{held}; {plan.count(Action.KEEP)} unchanged. ({plan.digest[:19]})"


def choice_line(price: Price) -> str:
    """Which variant of its model a board gets, and why."""
    was, now = (found.variant if found else None for found in (price.was, price.now))
    if not price.chosen:
        now = "known after apply"
    before = f"{was} → " if was and was != now else ""
    why = f": {price.chosen}" if price.chosen else ""
    return f"  {price.fleet}/{price.board}: {before}{now}{why}" + (_worse(price) if before and price.chosen else "")


def _worse(price: Price) -> str:
    """Another variant that is less accurate than what was released, on the test side: said where it is a point."""
    was, now = (found.accuracy if found else None for found in (price.was, price.now))
    if was is None or now is None or was.point - now.point < NOTABLE:
        return ""
    return f"; less accurate than what was released: {was.point:.3f} → {now.point:.3f} of the test side"


def _change_lines(change: Change) -> Iterator[str]:
    was = f" (was {change.moved_from})" if change.moved_from else ""
    yield f"  {SIGNS[change.action]} {change.action:<8}{change.kind:<9} {change.subject}{was}"
    for reason in change.reasons:
        yield f"        {reason}"
    if change.follows and change.action is not Action.CREATE:
        yield f"        follows {_what(change)}"
    if metrics := _metrics(change):
        yield f"        released: {metrics}; new figures known after apply"


def _what(change: Change) -> str:
    """What a change follows from: a step's inputs, a fleet's images (the steps before them are listed above)."""
    shown = [step for step in change.follows if change.kind != "fleet" or step.startswith(("image:", "firmware:"))]
    return ", ".join(shown or change.follows)


def _metrics(change: Change) -> str:
    facts = change.released or {}
    if change.action in (Action.KEEP, Action.MOVE):
        return ""
    shown = []
    accuracy = facts.get("accuracy_int8")
    if isinstance(accuracy, dict):
        shown.append(f"accuracy {accuracy['point']:.3f}")
    shown += [
        f"{facts[f]:,} {f.replace('_', ' ')}" for f in ("flash_bytes", "ram_bytes", "instructions") if facts.get(f)
    ]
    return ", ".join(shown)
