"""What the page may ask for: each action is a checked document, and one of the edits. One line in `ACTIONS` each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from tinyops.datasets import index_cells
from tinyops.documents import Strict
from tinyops.errors import SpecError
from tinyops.label import edits
from tinyops.label.edits import Entries, Run, Span, Whole

IDS_MAX = 100_000
RUNS_MAX = 10_000
Text = Annotated[str, Field(max_length=1000)]
Frame = Annotated[int, Field(ge=0, le=index_cells.COUNT_MAX)]
Ids = Annotated[frozenset[Text], Field(min_length=1, max_length=IDS_MAX)]


class Part(Strict):
    """Frames from `begin` up to `end`."""

    begin: Frame
    end: Frame

    @property
    def span(self) -> Span:
        return Span(self.begin, self.end)


class Labelled(Part):
    label: Text


class SetLabel(Strict):
    do: Literal["label"]
    ids: Ids
    label: Text


class Group(Strict):
    ids: Ids
    label: Text


class SetLabels(Strict):
    """Several labels at once, undone at once."""

    do: Literal["labels"]
    groups: tuple[Group, ...] = Field(min_length=1, max_length=1000)


class SetSubject(Strict):
    do: Literal["subject"]
    ids: Ids
    subject: Text


class Delete(Strict):
    do: Literal["delete"]
    ids: Ids


class Split(Strict):
    do: Literal["split"]
    path: Text
    frame: Frame


class Trim(Strict):
    do: Literal["trim"]
    path: Text
    id: Text
    span: Part


class Paint(Strict):
    do: Literal["paint"]
    path: Text
    runs: tuple[Labelled, ...] = Field(min_length=1, max_length=RUNS_MAX)


class Erase(Strict):
    do: Literal["erase"]
    path: Text
    span: Part


class MoveEdge(Strict):
    do: Literal["move"]
    path: Text
    frame: Frame
    to: Frame


Action: TypeAlias = SetLabel | SetLabels | SetSubject | Delete | Split | Trim | Paint | Erase | MoveEdge
_ACTION: TypeAdapter[Action] = TypeAdapter(Annotated[Action, Field(discriminator="do")])
Framed: TypeAlias = Callable[[str], Whole]

ACTIONS: Mapping[type[Strict], Callable[[Entries, Any, Framed], Entries]] = {
    SetLabel: lambda entries, a, _: edits.set_labels(entries, a.ids, a.label),
    SetLabels: lambda entries, a, _: edits.set_each(entries, [(group.ids, group.label) for group in a.groups]),
    SetSubject: lambda entries, a, _: edits.set_subjects(entries, a.ids, a.subject),
    Delete: lambda entries, a, _: edits.delete(entries, a.ids),
    Split: lambda entries, a, framed: edits.split(entries, framed(a.path), a.frame),
    Trim: lambda entries, a, framed: edits.trim(entries, a.id, a.span.span, framed(a.path)),
    Paint: lambda entries, a, framed: edits.paint(entries, framed(a.path), [Run(r.span, r.label) for r in a.runs]),
    Erase: lambda entries, a, framed: edits.erase(entries, framed(a.path), a.span.span),
    MoveEdge: lambda entries, a, framed: edits.move_edge(entries, framed(a.path), a.frame, a.to),
}


def parse_action(data: bytes, classes: tuple[str, ...]) -> Action:
    """An action of the page. Raises SpecError for one that is none, or names a class that the dataset does not have."""
    try:
        action = _ACTION.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"no action: {place}: {first['msg']}"[:300]) from error
    for label in _labels(action):
        _check_label(label, classes)
    if isinstance(action, SetSubject):
        _checked(index_cells.name, action.subject)
    return action


def said(action: Action) -> str:
    """What an action does, for people who undo it."""
    number = len(action.ids) if isinstance(action, SetLabel | SetSubject | Delete) else 1
    pieces = "1 piece" if number == 1 else f"{number:,} pieces"
    texts: Mapping[type[Strict], Callable[[Any], str]] = {
        SetLabel: lambda a: f"{pieces} labelled {a.label}" if a.label else f"{pieces} without label",
        SetLabels: lambda a: f"{sum(len(group.ids) for group in a.groups):,} pieces labelled as suggested",
        SetSubject: lambda a: f"subject of {pieces} set to {a.subject or 'nobody'}",
        Delete: lambda _: f"{pieces} deleted",
        Split: lambda a: f"split at frame {a.frame:,}",
        Trim: lambda a: f"trimmed to {a.span.begin:,}–{a.span.end:,}",
        Paint: lambda a: (
            f"{a.runs[0].begin:,}–{a.runs[-1].end:,} labelled {a.runs[0].label or 'nothing'}"
            + (f" and {len(a.runs) - 1} more" if len(a.runs) > 1 else "")
        ),
        Erase: lambda a: f"{a.span.begin:,}–{a.span.end:,} taken out",
        MoveEdge: lambda a: f"edge moved from {a.frame:,} to {a.to:,}",
    }
    return texts[type(action)](action)


def _labels(action: Action) -> tuple[str, ...]:
    if isinstance(action, SetLabel):
        return (action.label,)
    if isinstance(action, SetLabels):
        return tuple(group.label for group in action.groups)
    return tuple(run.label for run in action.runs) if isinstance(action, Paint) else ()


def _check_label(label: str, classes: tuple[str, ...]) -> None:
    _checked(index_cells.label, label)
    if label and label not in classes:
        raise SpecError(f"{label!r} is no class of the dataset", hint="add it to `classes` in the dataset's spec first")


def _checked(check: Callable[[str], str], text: str) -> None:
    try:
        check(text)
    except ValueError as error:
        raise SpecError(f"{text[:60]!r} {error}") from None
