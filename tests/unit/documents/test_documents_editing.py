"""Verbs set and take away one value; comments, quotes, order and line ends of people stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tinyops.documents.editing import remove_value, set_value
from tinyops.errors import SpecError

TEXT = """\
# Two fleets.
kind: Fleet
metadata: {name: a}   # the first
spec:
  model: activity  # by its short name
  boards:
    # fed by its host
    microbit: {sensor: {kind: stream}, transport: usb}

  devices: {enrol: open, max: 20}

---
kind: Fleet
spec:
  model: {name: digits}
  boards: {linux: {}}
  # the end
"""


def test_a_value_is_replaced_and_its_comment_stays() -> None:
    after = set_value(TEXT, 0, ("spec", "model"), {"name": "activity", "digest": "sha256:ab"})
    line = '  model: {name: activity, digest: "sha256:ab"}  # by its short name\n'
    assert after == TEXT.replace("  model: activity  # by its short name\n", line)


def test_a_key_is_added_after_the_last_one_and_before_what_follows() -> None:
    after = set_value(TEXT, 0, ("spec", "suspended"), {"reason": "a: b", "author": "mia"})
    line = '  devices: {enrol: open, max: 20}\n  suspended: {reason: "a: b", author: mia}\n\n---\n'
    assert after == TEXT.replace("  devices: {enrol: open, max: 20}\n\n---\n", line)
    last = set_value(TEXT, 1, ("spec", "proof"), "built")
    assert last == TEXT.replace("  boards: {linux: {}}\n", "  boards: {linux: {}}\n  proof: built\n")


def test_a_flow_mapping_takes_and_gives_keys() -> None:
    assert "model: {name: digits, digest: x}\n" in set_value(TEXT, 1, ("spec", "model", "digest"), "x")
    assert "boards: {linux: {sensor: y1}}\n" in set_value(TEXT, 1, ("spec", "boards", "linux", "sensor"), "y1")
    assert "devices: {max: 20}\n" in remove_value(TEXT, 0, ("spec", "devices", "enrol"))
    assert "devices: {enrol: open}\n" in remove_value(TEXT, 0, ("spec", "devices", "max"))
    assert "model: {}\n" in remove_value(TEXT, 1, ("spec", "model", "name"))


def test_a_block_key_goes_with_its_lines_only() -> None:
    after = remove_value(TEXT, 0, ("spec", "boards"))
    assert after == TEXT.replace(
        "  boards:\n    # fed by its host\n    microbit: {sensor: {kind: stream}, transport: usb}\n", ""
    )
    assert remove_value(TEXT, 0, ("spec", "nothing")) == TEXT


def test_setting_and_removing_leaves_the_text() -> None:
    for document, path in ((0, ("spec", "x")), (1, ("spec", "model", "x")), (0, ("metadata", "x"))):
        assert remove_value(set_value(TEXT, document, path, "1.5 y"), document, path) == TEXT


def test_windows_line_ends_stay() -> None:
    text = TEXT.replace("\n", "\r\n")
    after = set_value(text, 0, ("spec", "model"), "other")
    assert after == text.replace("model: activity ", "model: other ")


def test_a_path_through_no_mapping_is_refused() -> None:
    with pytest.raises(SpecError, match=r"there is no spec.rollout to set waves in"):
        set_value(TEXT, 0, ("spec", "rollout", "waves"), "x")
    with pytest.raises(SpecError, match=r"spec.model is no mapping"):
        set_value(TEXT, 0, ("spec", "model", "digest"), "x")


@settings(deadline=None)
@given(value=st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.integers() | st.booleans())
def test_every_value_reads_back_and_the_rest_is_as_it_was(value: Any) -> None:
    before = [*YAML(typ="safe", pure=True).load_all(TEXT)]
    after = [*YAML(typ="safe", pure=True).load_all(set_value(TEXT, 0, ("spec", "model"), value))]
    assert after[0]["spec"].pop("model") == value
    before[0]["spec"].pop("model")
    assert after == before
