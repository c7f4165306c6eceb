"""A plan: what would be done to what, why, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from tinyops.files import JsonObject, digest_json

SCHEMA = "tinyops/plan/v2"
REASON_LIMIT = 2400  # characters
# What could move a terminal's cursor or turn text around: line ends, escapes, bidirectional marks.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Action(StrEnum):
    """What happens to a subject. `move`: only its name changes, nothing is made again."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    MOVE = "move"
    DELETE = "delete"
    KEEP = "keep"
    HELD = "held"


@dataclass(frozen=True)
class Reason:
    """One field that differs. `old` and `new` are short texts; empty where there is none. All are one line."""

    field: str
    old: str = ""
    new: str = ""

    def __post_init__(self) -> None:
        for name in ("field", "old", "new"):
            object.__setattr__(self, name, CONTROL.sub(" ", getattr(self, name))[:REASON_LIMIT])

    def __str__(self) -> str:
        if self.old and self.new:
            return f"{self.field} {self.old} → {self.new}"
        if self.new:
            return f"{self.field} {self.new}"
        return f"{self.field} {self.old} → (none)" if self.old else self.field


@dataclass(frozen=True)
class Change:
    """What happens to one subject.

    `kind` is a step's kind, `fleet` or `release`; `key` is the step's key, None while it is known only
    after apply; `follows` names the changed steps that this one depends on; `released` are the last
    released facts of the step; `moved_from` is the subject's name in the last release where that was another.
    """

    kind: str
    subject: str
    action: Action
    reasons: tuple[Reason, ...] = ()
    key: str | None = None
    follows: tuple[str, ...] = ()
    released: JsonObject | None = None
    moved_from: str | None = None

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.subject}"

    def to_json(self) -> JsonObject:
        """Shares what it can: a plan has thousands of these, and copying them all would take most of its time."""
        reasons = [asdict(reason) for reason in self.reasons]
        return {**vars(self), "action": self.action.value, "reasons": reasons, "follows": [*self.follows]}


@dataclass(frozen=True)
class Bound:
    """Digests of the world that a plan was made in; apply refuses the plan when one moved.

    `files` covers every file that specs name: indexes of data, finished models, lists of devices.
    """

    specs: str
    lock: str
    files: str
    release: str


@dataclass(frozen=True)
class Plan:
    """Every change, in the order of the steps, then fleets, then the release.

    `only` names the fleets that were asked for; empty: all of them.
    """

    project: str
    released_version: int
    bound: Bound
    changes: tuple[Change, ...]
    only: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[Change, ...]:
        """What apply would do: neither kept nor held."""
        return tuple(c for c in self.changes if c.action not in (Action.KEEP, Action.HELD))

    @property
    def moves(self) -> Mapping[str, str]:
        """The released name of each step that has another now, by its name now."""
        return {c.id: f"{c.kind}:{c.moved_from}" for c in self.changes if c.moved_from is not None}

    def count(self, action: Action) -> int:
        return sum(c.action is action for c in self.changes)

    @property
    def digest(self) -> str:
        return digest_json(self._body())

    def _body(self) -> JsonObject:
        changes = [change.to_json() for change in self.changes]
        return {"schema": SCHEMA, **vars(self), "bound": asdict(self.bound), "changes": changes, "only": [*self.only]}

    def to_json(self) -> JsonObject:
        body, counts = self._body(), {action.value: self.count(action) for action in Action}
        return {**body, "counts": counts, "digest": digest_json(body)}
