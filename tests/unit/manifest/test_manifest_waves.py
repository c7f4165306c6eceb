"""What a device takes of an entry whose rollout goes in waves, and the document that says how far it has come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.errors import RemoteError
from tinyops.manifest.entry import EntryRollout, choose_content
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey, Trust
from tinyops.manifest.progress import POSITIONS, Progress, check_progress, position, read_progress

KEY = SigningKey.generate()
LAST = POSITIONS - 1
BASE: dict[str, Any] = {
    "version": 3,
    "security_counter": 0,
    "contract": "aa" * 32,
    **{name: {"tag": "v3", "asset": name, "sha256": "bb" * 32, "bytes": 7} for name in ("contract_file", "golden")},
    "model": {"tag": "v3", "asset": "model", "sha256": "cc" * 32, "bytes": 7, "kind": "image"},
}


def rollout(**changes: Any) -> EntryRollout:
    fields: dict[str, Any] = {"id": 4, "waves": (99, 999, LAST), "on_failure": "revert", "keys": ("11" * 32,)}
    return EntryRollout.model_validate({**fields, "base": BASE, **changes}, strict=False)


def progress(**changes: Any) -> Progress:
    time = "2027-01-02T03:04:05Z"
    fields: dict[str, Any] = {"project": "p", "fleet": "f", "rollout": 4, "sequence": 9, "state": "advancing"}
    return Progress(**{**fields, "waves": 1, "since": time, "time": time, "expires": time, **changes})


def test_positions_are_those_of_every_device() -> None:
    assert position("wrist", "wrist-7") == 0xC32D8522
    assert position("wrist", "wrist-7") != position("ankle", "wrist-7")


@pytest.mark.parametrize(
    ("known", "of_rollout", "where", "choice"),
    [
        (None, {}, 0, "base"),
        (None, {"base": None}, 0, "keep"),
        ({"rollout": 3, "state": "finished"}, {}, 0, "base"),
        ({"waves": 0}, {}, 0, "base"),
        ({}, {}, 99, "new"),
        ({}, {}, 100, "base"),
        ({"waves": 2}, {}, 999, "new"),
        ({"waves": 3}, {}, LAST, "new"),
        ({"state": "holding"}, {}, 50, "new"),
        ({"state": "finished", "waves": 1}, {}, LAST, "new"),
        ({"state": "halted", "waves": 3}, {}, 0, "base"),
        ({"state": "halted"}, {"on_failure": "hold"}, 0, "keep"),
        ({"state": "halted"}, {"on_failure": "hold"}, 5000, "base"),
    ],
)
def test_what_a_device_takes(known: dict[str, Any] | None, of_rollout: dict[str, Any], where: int, choice: str) -> None:
    told = None if known is None else progress(**known)
    assert choose_content(rollout(**of_rollout), told, where) == choice


def test_without_waves_everybody_takes_it() -> None:
    assert choose_content(None, None, LAST) == "new"


@given(st.integers(0, LAST), st.integers(0, 2))
def test_who_is_reached_stays_reached(where: int, reached: int) -> None:
    if choose_content(rollout(), progress(waves=reached), where) == "new":
        assert choose_content(rollout(), progress(waves=reached + 1), where) == "new"


def test_progress_is_believed_by_its_signature() -> None:
    sealed = seal(progress().to_json(), [KEY]).to_bytes()
    assert read_progress(sealed, Trust.of([KEY.public]), where="x")[0] == progress()
    with pytest.raises(RemoteError, match="0 of 1 trusted"):
        read_progress(sealed, Trust.of([SigningKey.generate().public]), where="x")
    with pytest.raises(RemoteError, match="larger than"):
        read_progress(sealed + b" " * 20_000, Trust.of([KEY.public]), where="x")


def test_progress_of_others_and_older_progress_are_refused() -> None:
    check_progress(progress(), "p", "f", 9, where="x")
    with pytest.raises(RemoteError, match="its sequence 9 is older than 10"):
        check_progress(progress(), "p", "f", 10, where="x")
    with pytest.raises(RemoteError, match="is of p/f, not of p/g"):
        check_progress(progress(), "p", "g", 0, where="x")
