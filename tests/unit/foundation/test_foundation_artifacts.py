import json
from dataclasses import replace

import pytest

from tinyops.artifacts import Artifact, InputRef, Record, Source, Step


def test_a_key_covers_settings_lock_inputs_and_sources_but_no_path_and_no_subject(tmp_path):
    step = Step(
        "train", "a", {"e": 1}, {"tf": "2"}, {"d": InputRef("collect:d", "o")}, {"f": Source(tmp_path, "sha256:x")}
    )
    key = step.key({"d": "sha256:1"})
    assert (
        replace(step, subject="b", sources={"f": Source(tmp_path / "moved", "sha256:x")}).key({"d": "sha256:1"}) == key
    )
    others = [
        replace(step, kind="squeeze"),
        replace(step, settings={"e": 2}),
        replace(step, lock={"tf": "3"}),
        replace(step, sources={"f": Source(tmp_path, "sha256:y")}),
    ]
    keys = {s.key({"d": "sha256:1"}) for s in others} | {step.key({"d": "sha256:2"})}
    assert len(keys) == 5
    assert key not in keys


def test_a_record_survives_json():
    record = Record("train:a", "sha256:k", {"e": 1}, {}, {}, {}, {"file": Artifact("sha256:x", 3)}, {"n": 1})
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    with pytest.raises(ValueError, match="not a step record"):
        Record.from_json({"step": "x"})
