"""A plan: what would be done to what, why, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from tinyops.files import JsonObject, digest_json

SCHEMA = "tinyops/plan/v1"


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    KEEP = "keep"
    HELD = "held"


@dataclass(frozen=True)
class Reason:
    """One field that differs. `old` and `new` are short texts; empty where there is none."""

    field: str
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        if self.old and self.new:
            return f"{self.field} {self.old} → {self.new}"
        if self.new:
            return f"{self.field} {self.new}"
        return f"{self.field} {self.old} → (none)" if self.old else self.field


@dataclass(frozen=True)
class Change:
    """What happens to one subject.

    `kind` is a step's kind, or `fleet`; `key` is the step's key, None while it is known only after
    apply; `follows` names the changed steps that this one depends on; `released` are the last
    released facts of the step.
    """

    kind: str
    subject: str
    action: Action
    reasons: tuple[Reason, ...] = ()
    key: str | None = None
    follows: tuple[str, ...] = ()
    released: JsonObject | None = None

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.subject}"


@dataclass(frozen=True)
class Bound:
    """Digests of the world that a plan was made in; apply refuses the plan when one moved."""

    specs: str
    lock: str
    release: str


@dataclass(frozen=True)
class Plan:
    """Every change, in the order of the steps."""

    project: str
    released_version: int
    bound: Bound
    changes: tuple[Change, ...]

    @property
    def pending(self) -> tuple[Change, ...]:
        """What apply would do: neither kept nor held."""
        return tuple(c for c in self.changes if c.action not in (Action.KEEP, Action.HELD))

    def count(self, action: Action) -> int:
        return sum(c.action is action for c in self.changes)

    @property
    def digest(self) -> str:
        return digest_json(self._body())

    def _body(self) -> JsonObject:
        return {
            "schema": SCHEMA,
            "project": self.project,
            "released_version": self.released_version,
            "bound": asdict(self.bound),
            "changes": [asdict(c) for c in self.changes],
        }

    def to_json(self) -> JsonObject:
        counts = {action.value: self.count(action) for action in Action}
        return {**self._body(), "counts": counts, "digest": self.digest}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Plan:
        """Raises ValueError for what is not a plan, or was edited after it was made."""
        try:
            if value["schema"] != SCHEMA:
                raise ValueError(f"schema is {value['schema']!r}, not {SCHEMA}")
            changes = tuple(_change(c) for c in value["changes"])
            plan = Plan(str(value["project"]), int(value["released_version"]), Bound(**value["bound"]), changes)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a plan: {error}") from error
        if plan.digest != value.get("digest"):
            raise ValueError("the digest does not agree with the content: it was edited after it was made")
        return plan


def _change(value: Mapping[str, Any]) -> Change:
    fields = {
        **value,
        "action": Action(value["action"]),
        "reasons": tuple(Reason(**r) for r in value["reasons"]),
        "follows": tuple(value["follows"]),
    }
    return Change(**fields)
