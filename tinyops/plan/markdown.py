"""A plan as the comment of a pull request: one table a fleet, why below it, all of it escaped. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from tinyops.plan.chains import ChainCuts
from tinyops.plan.changes import Action, Change, Plan
from tinyops.plan.findings import PLACES_IN_PLANS, DataFinding
from tinyops.plan.findings import SIGNS as FINDING_SIGNS
from tinyops.plan.prices import Figures, PlanFile, Price
from tinyops.plan.render import SIGNS, choice_line, summary

LIMIT = 65_536  # characters that GitHub takes in one comment
_ROOM = LIMIT - 2_000  # for what ends the comment
UNKNOWN = "?"
MISSED = "✗"
HEADERS = (
    "board",
    "model",
    "accuracy [95 %]",
    "int8 loss",
    "flash",
    "RAM",
    "instructions",
    "image",
    "over the air",
    "devices",
    "proof",
)
NOTE = (
    "Flash, RAM, image and over the air are bytes; instructions the most of any golden vector; "
    f"`{UNKNOWN}`: known after apply."
)

FRONTS = "`tinyops squeeze` shows what each variant costs on its board, `--html FILE` draws the Pareto fronts."


def mark(project: str) -> str:
    """The hidden first line by which the comment is found again."""
    return mark_of("plan", project)


def mark_of(what: str, project: str) -> str:
    return f"<!-- tinyops {what} of {re.sub(r'[^a-z0-9-]', '', project)} -->"


def plan_comment(file: PlanFile) -> str:
    """GitHub's Markdown, at most LIMIT characters: what does not fit is counted, never cut in the middle."""
    plan = file.plan
    head = [mark(plan.project), _title(plan), ""]
    if file.awaiting is not None:
        head += [file.awaiting.sentence, ""]
    end = [f"Plan {code_span(plan.digest)}, made for v{plan.released_version} of the releases.", ""]
    return "\n".join([*head, *_body(file), *end])


def release_notes(file: PlanFile, commit: str | None) -> str:
    """The same of a release that was made: what moved, what it costs, and why."""
    end = [f"Made by plan {code_span(file.plan.digest)}{f' from commit {commit}' if commit else ''}.", ""]
    return "\n".join([*_body(file), *end])


def _body(file: PlanFile) -> list[str]:
    plan = file.plan
    fleets = [c for c in plan.changes if c.kind == "fleet" and c.action is not Action.KEEP]
    prices = {name: [*group] for name, group in itertools.groupby(file.prices, key=lambda price: price.fleet)}
    missing = {price.fleet for price in file.prices if price.missed}
    head = [_sentence(plan, fleets, missing), ""]
    chains = {chain.fleet: chain for chain in file.chains}
    sections = [
        [*_fleet(change, prices.get(change.subject, [])), *_chain(chains.get(change.subject))] for change in fleets
    ]
    if file.prices:
        sections.append([NOTE, ""])
    if any(price.chosen is not None for price in file.prices):
        sections.append([FRONTS, ""])
    sections += [_lost(price) for price in file.prices if price.lost]
    return [*_fitting(head, sections, "fleets"), *_data(file.findings), *_why(plan)]


def _lost(price: Price) -> list[str]:
    """Why a board gets none of the other variants."""
    of = re.sub(r"[^a-z0-9/._-]", "", f"{price.fleet}/{price.board}")
    count = "the other variant" if len(price.lost) == 1 else f"{len(price.lost)} other variants"
    head = ["<details>", f"<summary>Why {of} does not have {count}</summary>", ""]
    reasons = [f"- {code_span(variant)}: {code_span(why)}" for variant, why in price.lost.items()]
    return [*head, *reasons, "", "</details>", ""]


def _title(plan: Plan) -> str:
    if not plan.pending:
        return f"### {code_span(plan.project)}: nothing to release"
    before = f"v{plan.released_version} → " if plan.released_version else ""
    return f"### {code_span(plan.project)}: {before}v{plan.released_version + 1}"


def _sentence(plan: Plan, fleets: Sequence[Change], missing: Collection[str]) -> str:
    held = sum(c.action is Action.HELD or c.subject in missing for c in fleets)
    moving = len(fleets) - held
    if not fleets and not plan.pending:
        return "Merging this changes no model, no firmware and no device."
    said = [f"{moving} {'fleet moves' if moving == 1 else 'fleets move'}"]
    said += [f"{held} held"] if held else []
    return f"**{', '.join(said)}.** {summary(plan).partition('. ')[0].partition(' (sha256')[0]}"


def _fleet(change: Change, prices: Sequence[Price]) -> list[str]:
    action = Action.HELD if any(price.missed for price in prices) else change.action
    lines = [f"#### {SIGNS[action]} {code_span(change.subject)} ({action.value})", ""]
    if prices:
        lines += [f"| {' | '.join(HEADERS)} |", f"|{'|'.join(['---'] * 2 + ['--:'] * 8 + ['---'])}|"]
        lines += [f"| {' | '.join(_row(price))} |" for price in prices]
        lines.append("")
    chosen = [price for price in prices if price.chosen]
    lines += [f"- {code_span(choice_line(price).strip())}" for price in chosen]
    misses = dict.fromkeys(str(miss) for price in prices for miss in price.missed)
    lines += [f"- {MISSED} {code_span(miss)}" for miss in misses]
    lines += [f"- {code_span(str(reason))}" for reason in change.reasons if str(reason) not in misses]
    return [*lines, ""] if lines[-1] else lines


def _chain(chain: ChainCuts | None) -> list[str]:
    """Where a chain's model is cut, and folded away why."""
    if chain is None:
        return []
    lines = [f"- {'**replace**: ' if chain.replaced else ''}{code_span(chain.sentence)}", ""]
    if chain.pause:
        lines[-1:] = [f"- {code_span(chain.pause)}", ""]
    if chain.lines:
        why = [line.replace("`", "'") for line in chain.lines]
        lines += ["<details><summary>Why these cuts</summary>", "", "```text", *why, "```", "", "</details>", ""]
    return lines


def _row(price: Price) -> Iterator[str]:
    missed = {miss.figure for miss in price.missed}
    yield table_cell(price.board)
    yield table_cell(price.model) + _variant(price)
    for figure, cell in _cells(price):
        yield (
            f"{cell} {MISSED}" if figure in missed or (figure == "instructions" and "milliseconds" in missed) else cell
        )


def _variant(price: Price) -> str:
    """What of the model a board gets, where each gets its own."""
    was, now = (found.variant if found and found.variant else "" for found in (price.was, price.now))
    if price.chosen is None and not was:
        return ""
    return f" {_pair(table_cell(was) if was else '', table_cell(now) if now else '', price)}"


def _cells(price: Price) -> Iterator[tuple[str, str]]:
    was, now = price.was, price.now
    yield "accuracy", _pair(_accuracy(was), _accuracy(now), price)
    yield "int8_loss", _pair(_loss(was), _loss(now), price)
    for figure in ("flash_bytes", "ram_bytes"):
        yield figure, _pair(_count(was, figure), _count(now, figure), price) + _growth(was, now, figure)
    yield "instructions", _pair(_work(was), _work(now), price) + _growth(was, now, "instructions")
    yield "image_bytes", _pair(_count(was, "image_bytes"), _count(now, "image_bytes"), price)
    yield "air_bytes", UNKNOWN if price.air_bytes is None else f"{price.air_bytes:,}"
    yield "devices", "not listed" if price.devices is None else f"{price.devices:,}"
    yield "proof", _pair(_proof(was), _proof(now), price)


def _pair(old: str, new: str, price: Price) -> str:
    """Old → new; one value where both agree. What a plan cannot know without building reads as unknown."""
    old, new = old or "-", new or ("-" if price.whole else UNKNOWN)
    if price.now is None:
        return f"{old} → gone"
    return new if price.was is None or old == new else f"{old} → {new}"


def _accuracy(figures: Figures | None) -> str:
    if figures is None or figures.accuracy is None:
        return ""
    share = figures.accuracy
    return f"{share.point:.3f} [{share.low:.3f}, {share.high:.3f}]"


def _loss(figures: Figures | None) -> str:
    return f"{figures.int8_loss:.3f}" if figures and figures.int8_loss is not None else ""


def _count(figures: Figures | None, name: str) -> str:
    value = getattr(figures, name) if figures else None
    return f"{value:,}" if value is not None else ""


def _work(figures: Figures | None) -> str:
    text = _count(figures, "instructions")
    return f"{text} ({figures.milliseconds:,.1f} ms)" if figures and text and figures.milliseconds is not None else text


def _growth(was: Figures | None, now: Figures | None, name: str) -> str:
    old, new = (getattr(figures, name) if figures else None for figures in (was, now))
    return f" ({100 * (new / old - 1):+.1f} %)" if old and new is not None and new != old else ""


def _proof(figures: Figures | None) -> str:
    if figures is None or figures.proof_model is None:
        return ""
    return table_cell(f"{figures.proof_model}/{figures.proof_firmware or '-'}")


def _data(findings: Sequence[DataFinding]) -> list[str]:
    if not findings:
        return []
    return [*_fitting(["#### Data", ""], [[*_finding(found)] for found in findings], "findings", _ROOM // 4), ""]


def _finding(found: DataFinding) -> Iterator[str]:
    said = found.finding
    yield f"- {FINDING_SIGNS[said.level]} {code_span(f'{found.dataset}: {said.check}: {said.message}')}"
    yield from (f"  - {code_span(place)}" for place in said.places[:PLACES_IN_PLANS])
    if said.total > PLACES_IN_PLANS:
        yield f"  - … and {said.total - PLACES_IN_PLANS:,} more"
    if said.hint:
        yield f"  - {code_span(said.hint)}"


def _why(plan: Plan) -> list[str]:
    changes = [
        c for c in plan.changes if c.action not in (Action.KEEP, Action.HELD) and c.kind not in ("fleet", "release")
    ]
    if not changes:
        return []
    noun = "step" if len(changes) == 1 else "steps"
    head = ["<details>", f"<summary>Why: {len(changes):,} {noun}</summary>", ""]
    return [*_fitting(head, [[*_change(change)] for change in changes], "steps", _ROOM // 2), "", "</details>", ""]


def _change(change: Change) -> Iterator[str]:
    was = f" (was {code_span(change.moved_from)})" if change.moved_from else ""
    yield f"- {SIGNS[change.action]} {change.action.value} {change.kind} {code_span(change.subject)}{was}"
    for reason in change.reasons:
        yield f"  - {code_span(str(reason))}"
    if change.follows and not change.reasons:
        yield f"  - follows {', '.join(map(code_span, change.follows))}"


def _fitting(head: Sequence[str], sections: Iterable[Sequence[str]], noun: str, room: int = _ROOM // 2) -> list[str]:
    """The head and as many whole sections as there is room for."""
    lines, left = [*head], 0
    used = sum(len(line) + 1 for line in head)
    for section in sections:
        used += sum(len(line) + 1 for line in section)
        if used <= room and not left:
            lines += section
        else:
            left += 1
    return [*lines, f"… and {left:,} more {noun}: `tinyops plan` lists them.", ""] if left else lines


def code_span(text: str) -> str:
    """A code span that no text breaks out of: no HTML, no links, and nobody is mentioned."""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def table_cell(text: str) -> str:
    """The same in a table, where a bar would end the cell."""
    return code_span(text).replace("|", "\\|")
