"""YAML in, plain values and positions out; what is refused, and where."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyops.documents import FILE_LIMIT_BYTES, parse, read
from tinyops.documents.events import NESTING_LIMIT, NODE_LIMIT, resolve
from tinyops.errors import ExitCode, SpecError


def refused(source: bytes | str) -> list[tuple[int, int, str]]:
    """Line, column and message of everything refused."""
    data = source if isinstance(source, bytes) else source.encode()
    with pytest.raises(SpecError) as caught:
        parse(data, "specs/a.yaml")
    assert caught.value.exit_code == ExitCode.SPEC
    assert caught.value.problems, "an error without a position"
    assert all(p.file == "specs/a.yaml" for p in caught.value.problems)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ("", 1, 1, "the file is empty"),
        ("# only a comment\n", 1, 1, "the file is empty"),
        ("---\n", 2, 1, "the document is empty"),
        ("a: 1\n---\n~\n", 3, 1, "the document is empty"),
        ("- a\n- b\n", 1, 1, "a document must be a mapping"),
        ("just text\n", 1, 1, "a document must be a mapping"),
        ("a: 1\nb: 2\na: 3\n", 3, 1, "key 'a' stands twice in one mapping, first in line 1"),
        ("x: {b: 1, 'b': 2}\n", 1, 11, "key 'b' stands twice in one mapping, first in line 1"),
        ("a: 1\nb: *a\n", 2, 4, "alias *a: aliases are not allowed"),
        ("a: &here 1\n", 1, 4, "anchor &here: anchors are not allowed"),
        (
            "a: !!python/object:os.system x\n",
            1,
            4,
            "tag tag:yaml.org,2002:python/object:os.system: tags are not allowed",
        ),
        ("a: !mine {b: 1}\n", 1, 4, "tag !mine: tags are not allowed"),
        ("a: !!str 5\n", 1, 4, "tag tag:yaml.org,2002:str: tags are not allowed"),
        ("%YAML 1.1\n---\na: no\n", 2, 1, "YAML directives (lines that begin with %) are not allowed"),
        ("a:\n  <<: {b: 1}\n", 2, 3, "merge keys (<<) are not allowed"),
        ("a: .nan\n", 1, 4, ".nan is not allowed: every number here is finite"),
        ("a: [1, -.inf]\n", 1, 8, "-.inf is not allowed: every number here is finite"),
        ("a: 1e400\n", 1, 4, "1e400 is too large a number"),
        ("a: 99999999999999999999\n", 1, 4, "99999999999999999999 is too large a number"),
        ("a: 0123\n", 1, 4, "0123: a number must not begin with 0"),
        ("1: a\n", 1, 1, "key '1' is not text"),
        ("a:\n  true: b\n", 2, 3, "key 'true' is not text"),
        ("? [a, b]\n: 1\n", 1, 3, "a key must be text, not a mapping or a list"),
        ("? {a: b}\n: 1\n", 1, 3, "a key must be text, not a mapping or a list"),
        ("a:\n\tb: 1\n", 2, 1, "a tab in the indentation"),
        ("a:\n  \tb: 1\n", 2, 3, "a tab in the indentation"),
        ('a: "\\0"\n', 1, 4, "text with a control character or half a surrogate pair"),
        ('a: "\\uD800"\n', 1, 4, "text with a control character or half a surrogate pair"),
        ("a: \x07\n", 1, 4, "U+0007 is not allowed in YAML"),
        ("a: b: c\n", 1, 5, "not valid YAML: mapping values are not allowed here"),
        ("a: @x\n", 1, 4, "not valid YAML: found character '@' that cannot start any token"),
        ("a: [1, 2\nb: 3\n", 2, 2, "not valid YAML: expected ',' or ']', but got ':'"),
        ("a: 'open\n", 2, 1, "not valid YAML: found unexpected end of stream"),
    ],
)
def test_refuses_at_the_exact_place(source: str, line: int, column: int, words: str) -> None:
    found = refused(source)
    assert found[0][:2] == (line, column)
    assert found[0][2].startswith(words)
    assert len(found) == 1


def test_reports_everything_in_a_file_together() -> None:
    found = refused("a: &x 1\nb: *x\nb: .inf\n2: c\n")
    assert [(line, column) for line, column, _ in found] == [(1, 4), (2, 4), (3, 1), (3, 4), (4, 1)]


def test_reports_no_more_than_a_hundred() -> None:
    found = refused("".join(f"k{n}: .nan\n" for n in range(5000)))
    assert len(found) == 101
    assert "too many problems" in found[-1][2]


def test_refuses_what_is_not_utf8() -> None:
    assert refused(b"a: ok\nb: \xff\n") == [(2, 4, "not UTF-8: byte 0xff")]
    assert refused("a: 1\n".encode("utf-16"))[0][:2] == (1, 1)


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    (document,) = parse(b"\xef\xbb\xbfa: 1\r\nb: {c: 2}\r\n", "f")
    assert document.value == {"a": 1, "b": {"c": 2}}
    assert document.locate(("b", "c")) == (2, 8)


def test_refuses_ten_megabytes_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: " + b"x" * (10 << 20))
    with pytest.raises(SpecError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (1, 1)
    assert problem.message == f"the file is larger than {FILE_LIMIT_BYTES:,} bytes"


@pytest.mark.parametrize(
    "source",
    [
        "a: " + "[" * 600 + "]" * 600,
        "a: " + "{b: " * 600 + "1" + "}" * 600,
        "".join(" " * n + "a:\n" for n in range(600)) + " " * 600 + "b\n",
        "- " * 600 + "a\n",
    ],
)
def test_refuses_600_levels_of_nesting(source: str) -> None:
    (found,) = refused(source)
    assert found[2] == f"nested more than {NESTING_LIMIT} levels deep"


def test_accepts_nesting_up_to_the_limit() -> None:
    inside = NESTING_LIMIT - 1
    (document,) = parse(("a: " + "[" * inside + "]" * inside).encode(), "f")
    assert document.value["a"] == parse(("a: " + "[" * inside + "]" * inside).encode(), "f")[0].value["a"]
    refused("a: " + "[" * (inside + 1) + "]" * (inside + 1))


def test_refuses_too_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NODE_LIMIT == 200_000
    monkeypatch.setattr("tinyops.documents.events.NODE_LIMIT", 100)
    (found,) = refused("a: [" + "1," * 99 + "1]\n")
    assert found[2] == "more than 100 values in one file"


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    assert all("not allowed" in message or "too many" in message for _, _, message in refused("\n".join(lines)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("2027-06-30", "2027-06-30"),
        ("2027-06-30T10:00:00Z", "2027-06-30T10:00:00Z"),
        ("12:30:45", "12:30:45"),
        ("1.2.0", "1.2.0"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("=", "="),
        ("-", "-"),
        (".", "."),
        ("e3", "e3"),
        ("0x", "0x"),
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-17", -17),
        ("+5", 5),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-2.5E-1", -0.25),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = resolve(text)
    assert (found, type(found)) == (value, type(value))


def test_quoted_text_stays_text() -> None:
    (document,) = parse(b"a: \"1\"\nb: 'true'\nc: |\n  2\nd: >-\n  null\n", "f")
    assert document.value == {"a": "1", "b": "true", "c": "2\n", "d": "null"}


def test_locates_values_and_keys_in_several_documents() -> None:
    source = b"# comment\na: 1\n---\nb:\n  - {c: 1, d: [x, yy]}\n  - e\n"
    first, second = parse(source, "f")
    assert (first.value, second.value) == ({"a": 1}, {"b": [{"c": 1, "d": ["x", "yy"]}, "e"]})
    assert first.locate(("a",)) == (2, 4)
    assert first.locate(("a",), key=True) == (2, 1)
    assert second.locate(("b", 0, "d", 1)) == (5, 19)
    assert second.locate(("b", 0, "d"), key=True) == (5, 12)
    assert second.locate(("b", 1)) == (6, 5)
    assert second.locate(("b", 0, "missing")) == (5, 5), "what is not there is shown where it should be"
    assert second.locate(()) == (4, 1)


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nothing\.yaml:1:1: cannot be read"):
        read(tmp_path / "nothing.yaml")


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=80), st.text(alphabet="ab:-[]{},'\"#&*!|>%@`?<~ \n\t\\0x.1U", max_size=60).map(str.encode)
    )
)
def test_any_bytes_give_documents_or_problems(source: bytes) -> None:
    try:
        documents = parse(source, "f")
    except SpecError as error:
        assert error.problems
        assert all(p.line >= 1 and p.column >= 1 for p in error.problems)
    else:
        assert documents
        assert all(isinstance(d.value, dict) for d in documents)
