"""What a device takes of an entry whose content comes in waves."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tinyops.device.offers import Offered, wanted
from tinyops.manifest.entry import Entry, EntryRollout, choose_content
from tinyops.manifest.progress import POSITIONS, Progress, position

NEW, BASE = "1" * 64, "2" * 64
HALF = POSITIONS // 2


def content(model: str, version: int) -> dict[str, Any]:
    def file(digest: str) -> dict[str, Any]:
        return {"tag": f"v{version}", "asset": f"{digest[:4]}.bin", "sha256": digest, "bytes": 4}

    return {
        "version": version,
        "security_counter": 0,
        "contract": "3" * 64,
        "contract_file": file("3" * 64),
        "model": {**file(model), "kind": "image"},
        "golden": file("4" * 64),
    }


def rollout(on_failure: str = "revert", *, base: bool = True) -> EntryRollout:
    before = content(BASE, 6) if base else None
    fields = {"id": 7, "waves": [HALF, POSITIONS - 1], "on_failure": on_failure, "keys": ["5" * 64], "base": before}
    return EntryRollout.model_validate_json(json.dumps(fields))


def progress(state: str = "advancing", waves: int = 1, of: int = 7) -> Progress:
    times = dict.fromkeys(("since", "time", "expires"), "2027-01-02T03:04:05Z")
    return Progress(project="p", fleet="f", rollout=of, sequence=1, state=state, waves=waves, **times)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "waves", "on_failure", "first", "second"),
    [
        ("advancing", 0, "revert", "base", "base"),
        ("advancing", 1, "revert", "new", "base"),
        ("holding", 1, "revert", "new", "base"),
        ("advancing", 2, "revert", "new", "new"),
        ("finished", 2, "revert", "new", "new"),
        ("halted", 1, "revert", "base", "base"),
        ("halted", 2, "revert", "base", "base"),
        ("halted", 1, "hold", "keep", "base"),
        ("halted", 2, "hold", "keep", "keep"),
    ],
)
def test_what_a_device_of_each_wave_takes(state: str, waves: int, on_failure: str, first: str, second: str) -> None:
    made, at = rollout(on_failure), progress(state, waves)
    assert choose_content(made, at, 0) == choose_content(made, at, HALF) == first
    assert choose_content(made, at, HALF + 1) == choose_content(made, at, POSITIONS - 1) == second
    nothing = rollout(on_failure, base=False)
    for where, choice in ((0, first), (HALF + 1, second)):
        assert choose_content(nothing, at, where) == ("keep" if choice == "base" else choice)


@pytest.mark.parametrize("known", [None, progress("finished", 2, of=6), progress("advancing", 0)])
def test_who_runs_the_new_content_keeps_it_while_nobody_says_that_it_failed(known: Progress | None) -> None:
    assert choose_content(rollout(), known, 0) == "base"
    assert choose_content(rollout(), known, 0, runs_new=True) == "keep"
    assert choose_content(rollout(), progress("halted", 0), 0, runs_new=True) == "base"
    assert choose_content(rollout("hold"), progress("halted", 0), 0, runs_new=True) == "keep"


def test_without_a_rollout_the_content_is_everybodys() -> None:
    assert choose_content(None, None, 5) == "new"


def test_the_entry_that_a_device_installs_is_the_new_one_or_the_one_before() -> None:
    entry = Entry(project="p", fleet="f", board="b", rollout=rollout(), **_parsed(content(NEW, 7)))
    offered = Offered(entry, "d", progress())
    new, base = wanted(offered, 0), wanted(offered, HALF + 1)
    assert new is not None and base is not None
    assert (new.model.sha256, new.rollout, base.model.sha256, base.version) == (NEW, None, BASE, 6)
    assert wanted(Offered(entry, "d"), 0, f"sha256:{NEW}") is None
    assert wanted(Offered(entry, "d"), 0, f"sha256:{BASE}") == base


def _parsed(fields: dict[str, Any]) -> dict[str, Any]:
    from tinyops.manifest.entry import EntryContent

    made = EntryContent.model_validate(fields)
    return {name: getattr(made, name) for name in EntryContent.model_fields}


def test_a_position_is_that_of_the_format() -> None:
    assert position("wrist", "d-1") == int(hashlib.sha256(b"wrist\x00d-1").hexdigest()[:8], 16)
    assert position("wrist", "d-1") != position("wrist-d", "1")
    spread = sum(position("wrist", f"d-{n}") < HALF for n in range(1000))
    assert 430 < spread < 570
