"""What pydantic refuses, in sentences with places and suggestions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from tinyops.documents import Misplaced, Name, Secret, Strict, closest, parse, validate
from tinyops.errors import Problem


class Dense(Strict):
    kind: Literal["dense"]
    units: PositiveInt


class Pool(Strict):
    kind: Literal["pool"]
    size: tuple[PositiveInt, PositiveInt] = (1, 1)


class Inner(Strict):
    layers: tuple[Annotated[Dense | Pool, Field(discriminator="kind")], ...] = Field(default=(), max_length=3)
    rate: Annotated[float, Field(gt=0, le=1)] | None = Field(default=None, description="A share.")
    lengths: tuple[int, ...] = ()
    names: tuple[str, ...] = ("a",)

    @model_validator(mode="after")
    def _agree(self) -> Inner:
        if self.lengths and len(self.lengths) != len(self.names):
            raise Misplaced(("lengths",), f"has {len(self.lengths)} entries", hint="one a name")
        return self


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _spread(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


_Cuts = Annotated[tuple[PositiveInt, ...], BeforeValidator(_tuple)]
_Levels = Annotated[tuple[Literal["low", "high"], ...], BeforeValidator(_spread)]
_Shares = Annotated[tuple[Annotated[float, Field(le=1)], ...], Field(min_length=1), BeforeValidator(_spread)]


class Outer(Strict):
    kind: Literal["Outer"] = "Outer"
    name: Name = "x"
    level: Literal["low", "middle", "high"] = "low"
    until: date | None = None
    flag: bool = False
    count: int = 0
    text: str = ""
    inner: Inner = Inner()
    by_name: Mapping[Name, PositiveInt] = {}
    key: Secret | None = None
    cuts: Literal["auto"] | _Cuts = "auto"
    shares: _Shares = (1.0,)
    ranks: _Levels = ("low",)


NOT_YET = {("Outer", "chain"): "chains are not part of this version", ("layers", "lstm"): "no LSTM yet"}


def problems(source: str) -> list[Problem]:
    (document,) = parse(source.encode(), "f.yaml")
    found = validate(document, Outer, NOT_YET)
    assert isinstance(found, list), "was accepted"
    return found


@pytest.mark.parametrize(
    ("source", "place", "message", "hint"),
    [
        ("nam: y\n", (1, 1), 'nam: unknown field "nam"', "did you mean name?"),
        (
            "zzz: y\n",
            (1, 1),
            'zzz: unknown field "zzz"',
            "there is: by_name, count, cuts, flag, inner, key, kind, level, name, ranks, shares, text, …",
        ),
        ("inner:\n  rat: 1\n", (2, 3), 'inner.rat: unknown field "rat"', "did you mean rate?"),
        ("chain: {a: 1}\n", (1, 1), "chain: chains are not part of this version", "remove it"),
        ("inner: {layers: [{kind: lstm}]}\n", (1, 25), "inner.layers[0].kind: no LSTM yet", "kinds: dense, pool"),
        ("level: midle\n", (1, 8), 'level: must be one of low, middle, high, not "midle"', "did you mean middle?"),
        ("kind: Outr\n", (1, 7), 'kind: must be Outer, not "Outr"', ""),
        ("count: '5'\n", (1, 8), 'count: must be a whole number, not "5"', "remove the quotes"),
        ("count: 5.5\n", (1, 8), "count: must be a whole number, not 5.5", ""),
        ("count: 5.0\n", (1, 8), "count: must be a whole number, not 5.0", ""),
        ("count: true\n", (1, 8), "count: must be a whole number, not true", ""),
        ("count: [1]\n", (1, 8), "count: must be a whole number", ""),
        ("flag: 1\n", (1, 7), "flag: must be true or false, not 1", ""),
        ("flag: yes\n", (1, 7), 'flag: must be true or false, not "yes"', ""),
        ("flag: 'true'\n", (1, 7), 'flag: must be true or false, not "true"', "remove the quotes"),
        ("text: 1.20\n", (1, 7), "text: must be text, not 1.2", 'quote it: "1.2"'),
        ("text: true\n", (1, 7), "text: must be text, not true", 'quote it: "true"'),
        ("text:\n", (1, 1), "text: must be text, not null", ""),
        (
            "until: 20270630\n",
            (1, 8),
            'until: must be a date such as "2027-06-30", not 20270630',
            'quote it: "20270630"',
        ),
        ("until: 2027-02-30\n", (1, 8), 'until: must be a date such as "2027-06-30", not "2027-02-30"', ""),
        ("inner: {rate: 2}\n", (1, 15), "inner.rate: must be at most 1.0: 2", ""),
        ("inner: {rate: 0}\n", (1, 15), "inner.rate: must be greater than 0.0: 0", ""),
        ("inner: 5\n", (1, 8), "inner: must be a mapping, not 5", ""),
        ("inner: {layers: {kind: dense}}\n", (1, 17), "inner.layers: must be a list", ""),
        ("inner: {layers: [5]}\n", (1, 18), "inner.layers[0]: must be a mapping, not 5", ""),
        ("inner: {layers: [{units: 5}]}\n", (1, 18), 'inner.layers[0]: field "kind" is missing', "kinds: dense, pool"),
        (
            "inner: {layers: [{kind: dence, units: 5}]}\n",
            (1, 25),
            'inner.layers[0].kind: must be one of dense, pool, not "dence"',
            "did you mean dense?",
        ),
        ("inner: {layers: [{kind: dense}]}\n", (1, 18), 'inner.layers[0]: field "units" is missing', ""),
        (
            "inner: {layers: [{kind: dense, units: 0}]}\n",
            (1, 39),
            "inner.layers[0].units: must be greater than 0: 0",
            "",
        ),
        (
            "inner: {layers: [{kind: pool, size: [1, x]}]}\n",
            (1, 41),
            'inner.layers[0].size[1]: must be a whole number, not "x"',
            "",
        ),
        ("inner: {lengths: [1, 2]}\n", (1, 18), "inner.lengths: has 2 entries", "one a name"),
        ("inner: {lengths: 1}\n", (1, 18), "inner.lengths: must be a list, not 1", "in brackets: [1]"),
        ("cuts: 1\n", (1, 7), "cuts: must be a list, not 1", "in brackets: [1]"),
        ("cuts: [1, 0]\n", (1, 11), "cuts[1]: must be greater than 0: 0", ""),
        ("cuts: autto\n", (1, 7), 'cuts: must be one of auto, a list, not "autto"', "did you mean auto?"),
        ("shares: 2\n", (1, 9), "shares: must be at most 1.0: 2", ""),
        ("ranks: hihg\n", (1, 8), 'ranks: must be one of low, high, not "hihg"', "did you mean high?"),
        ("ranks: [low, 3]\n", (1, 14), "ranks[1]: must be one of low, high, not 3", ""),
        ("shares: []\n", (1, 9), "shares: needs at least 1 of them", ""),
        ("by_name: {a: 0}\n", (1, 14), "by_name.a: must be greater than 0: 0", ""),
    ],
)
def test_one_sentence_at_the_right_place(source: str, place: tuple[int, int], message: str, hint: str) -> None:
    (problem,) = problems(source)
    assert (problem.line, problem.column) == place
    assert (problem.message, problem.hint) == (message, hint)


def test_a_wrong_key_is_shown_at_the_key() -> None:
    (problem,) = problems("by_name:\n  ok: 1\n  No Name: 1\n")
    assert (problem.line, problem.column) == (3, 3)
    assert problem.message.startswith("by_name.No Name: a name is lower-case letters")


def test_a_list_that_is_too_long() -> None:
    (problem,) = problems("inner: {layers: [{kind: pool}, {kind: pool}, {kind: pool}, {kind: pool}]}\n")
    assert problem.message == "inner.layers: has more than 3 of them"


@pytest.mark.parametrize(
    "source", ["key: hunter2\n", "key: {secret: hunter2}\n", "key: {secret: 5551234}\n", "key: [hunter2]\n"]
)
def test_a_secret_in_the_wrong_place_is_never_shown(source: str) -> None:
    (problem,) = problems(source)
    assert "hunter2" not in str(problem)
    assert "5551234" not in str(problem)
    assert problem.message.endswith("must read {secret: NAME}")


def test_all_problems_of_a_document_together() -> None:
    found = problems("nam: a\nlevel: hgh\ninner:\n  rate: 7\n  layers:\n    - {kind: dense, units: -1}\n")
    assert [(p.line, p.column) for p in sorted(found)] == [(1, 1), (2, 8), (4, 9), (6, 28)]


def test_long_values_are_shortened() -> None:
    (problem,) = problems(f"level: {'x' * 5000}\n")
    assert len(problem.message) < 150


def test_what_is_right_becomes_a_frozen_object() -> None:
    (document,) = parse(b"until: 2027-06-30\ninner: {lengths: [1], rate: 1}\nkey: {secret: A_KEY}\n", "f")
    outer = validate(document, Outer)
    assert isinstance(outer, Outer)
    assert (outer.until, outer.inner.lengths, outer.inner.rate) == (date(2027, 6, 30), (1,), 1.0)
    with pytest.raises(ValueError, match="frozen"):
        outer.count = 3  # type: ignore[misc]


def test_closest() -> None:
    assert closest("Nano33BLE", ["nano33ble", "microbit"]) == "did you mean nano33ble?"
    assert closest("zzz", ["b", "a"]) == "there is: a, b"
    assert closest("zzz", [f"n{n:02}" for n in range(40)]).endswith("n11, …")
    assert closest("zzz", []) == ""
