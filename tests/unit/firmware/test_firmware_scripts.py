"""The page's pure modules against what Python has for the same: counts, frames, envelopes, entries, updates."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest

from fakes.scripts import answers_of, ask
from tinyops.device.sensor import read_frames, to_count
from tinyops.files import canonical_json, digest_bytes
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey

KEY, OTHER = SigningKey.generate(), SigningKey.generate()
TRUST = {"keys": {KEY.public.key_id: KEY.public.raw.hex()}, "threshold": 1}
CONTRACT = "c" * 64
NOW = 1_800_000_000_000  # 2027-01-15T08:00:00Z, in ms
STATE: dict[str, Any] = {
    "project": "wearables",
    "fleet": "wrist",
    "board": "phone",
    "contract": CONTRACT,
    "accepted": None,
    "acceptedDigest": None,
    "securityCounter": 0,
}
INPUT = {"channels": ["ax", "ay"], "full_scale": [2.0, 4.0], "frame_values": 2, "rate_hz": 10.0}


def file(data: bytes, name: str, tag: str = "v1") -> dict[str, Any]:
    return {"tag": tag, "asset": name, "sha256": digest_bytes(data).removeprefix("sha256:"), "bytes": len(data)}


def entry(version: int = 1, model: bytes = b"model 1", **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "schema": "tinyops/entry/v1",
        "project": "wearables",
        "fleet": "wrist",
        "board": "phone",
        "version": version,
        "security_counter": 0,
        "contract": CONTRACT,
        "contract_file": file(b"{}", "contract.json"),
        "model": {**file(model, "model.wasm", f"v{version}"), "kind": "wasm"},
        "firmware": None,
        "golden": file(b"golden", "golden.bin"),
        "expires": None,
    }
    return {**fields, **changes}


def signed(fields: dict[str, Any], *keys: SigningKey) -> str:
    return base64.b64encode(seal(fields, keys or (KEY,)).to_bytes()).decode()


def release(version: int, model: bytes, keys: tuple[SigningKey, ...] = (KEY,), **changes: Any) -> dict[str, Any]:
    files = {"model.wasm": model, "golden.bin": b"golden"}
    encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
    return {"entry": signed(entry(version, model, **changes), *keys), "files": encoded}


def test_counts_are_pythons() -> None:
    values = [0.0, 1.0, -1.0, 0.5, 1e9, -1e9, *(n / 65536 for n in range(-9, 10)), 0.1, -0.7000001]
    calls = [("toCount", [value, scale]) for value in values for scale in (1.0, 2.0, 0.3)]
    assert ask(*calls) == [to_count(*call[1]) for call in calls]


def test_recordings_are_read_as_the_agent_reads_them(tmp_path: Path) -> None:
    texts = [
        "ay,note,ax\n1,x,0.5\n-4,y,9\n\n0.25,z,-0.125\n",
        "1,2\r\n0.1,-0.1\r\n",
        "\ufeffax,ay\n1e-1,+2.5\n",
    ]
    wanted = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.csv"
        path.write_text(text, newline="")
        wanted.append([count for frame in read_frames(path, ("ax", "ay"), (2.0, 4.0), 2, 2) for count in frame])
    assert ask(*(("readFrames", [text, INPUT]) for text in texts)) == wanted


BAD_RECORDINGS = {
    "": "no numbers",
    "ax\n1\n": "no column ay",
    "1,2,3\n": "3 columns",
    "ax,ay\n1,\n": "Line 2: column 2",
    "ax,ay\n1,nan\n": "Line 2: column 2",
    "ax,ay\n": "less than one frame",
    "1,0x10\n": "no column",
}


def test_wrong_recordings_are_refused_with_their_line() -> None:
    answers = answers_of(*(("readFrames", [text, INPUT]) for text in BAD_RECORDINGS))
    for answer, wanted in zip(answers, BAD_RECORDINGS.values(), strict=True):
        assert wanted in answer["error"]


def test_typed_tensors_are_int8() -> None:
    assert ask(("readTensor", ["-128, 0 127\n-1", 4])) == [[128, 0, 127, 255]]
    errors = [a["error"] for a in answers_of(*(("readTensor", [t, 2]) for t in ("1", "1 200", "1 x")))]
    assert ["takes 2 numbers" in errors[0], "Number 2 is 200" in errors[1], "Number 2 is x" in errors[2]] == [True] * 3


def test_canonical_json_is_pythons() -> None:
    values: list[Any] = [
        {"b": [1, True, None, {"z": "é\u2028\U0001f600\x7f", "a": 'quote" back\\ \n\t\x01'}], "a": -3},
        {"\U0001f600": 1, "\uffee": 2, "a": 3, "": 4},
        [],
        {},
    ]
    assert ask(*(("canonicalJson", [value]) for value in values)) == [canonical_json(v).decode() for v in values]
    assert "whole number" in answers_of(("canonicalJson", [{"a": 1.5}]))[0]["error"]


def test_an_entry_signed_right_is_accepted_and_its_digest_ignores_expiry() -> None:
    lasting = signed(entry(expires="2030-01-01T00:00:00Z"))
    first, second = ask(("accept", [signed(entry()), TRUST, STATE, NOW]), ("accept", [lasting, TRUST, STATE, NOW]))
    assert first == second
    wanted = {name: value for name, value in entry().items() if name != "expires"}
    assert f"sha256:{first}" == digest_bytes(canonical_json(wanted))


def altered(old: str, new: str) -> str:
    text = base64.b64decode(signed(entry())).decode()
    assert old in text
    return base64.b64encode(text.replace(old, new).encode()).decode()


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "0 of 1 trusted signatures are right (signed by nobody)": (
        base64.b64encode(seal(entry(), ()).to_bytes()).decode(),
        {},
    ),
    "0 of 1 trusted signatures are right (signed by": (signed(entry(), OTHER), {}),
    "0 of 1 trusted": (altered('"security_counter":0', '"security_counter":7'), {}),
    "not in canonical form": (altered('"version":1', '"version":9,"version":1'), {}),
    "canonical form": (altered('"version":1', '"version": 1'), {}),
    "not JSON": (base64.b64encode(b"{").decode(), {}),
    "a web page": (base64.b64encode(b"<html>").decode(), {}),
    "not a signed envelope": (base64.b64encode(b"[]").decode(), {}),
    "larger than 8192": (base64.b64encode(b" " * 9000).decode(), {}),
    "its schema is": (signed(entry(schema="tinyops/entry/v9")), {}),
    "cannot be read: version, model": (signed(entry(version=0, model=b"")), {}),
    "cannot be read: golden": (signed(entry(golden=file(b"", "../x"))), {}),
    "is of project other": (signed(entry(project="other")), {}),
    "is for fleet ankle": (signed(entry(fleet="ankle")), {}),
    "is for board linux": (signed(entry(board="linux")), {}),
    "a browser runs WebAssembly": (signed(entry(model=b"x") | {"model": {**file(b"x", "m.so"), "kind": "image"}}), {}),
    "is for contract dddd": (signed(entry(contract="d" * 64)), {}),
    "older than v3": (signed(entry(2)), {"accepted": 3}),
    "a second, different v2": (signed(entry(2)), {"accepted": 2, "acceptedDigest": "e" * 64}),
    "counter 1 is below 2": (signed(entry(security_counter=1)), {"securityCounter": 2}),
    "expired at 2027": (signed(entry(expires="2027-01-15T08:00:00Z")), {}),
}


def test_what_is_wrong_with_an_entry_is_refused_by_name() -> None:
    calls = [("accept", [given, TRUST, {**STATE, **state}, NOW]) for given, state in REFUSED.values()]
    for answer, wanted in zip(answers_of(*calls), REFUSED, strict=True):
        assert wanted in answer.get("error", "accepted"), wanted


def test_a_threshold_counts_distinct_keys() -> None:
    two = {"keys": {k.public.key_id: k.public.raw.hex() for k in (KEY, OTHER)}, "threshold": 2}
    envelope = json.loads(base64.b64decode(signed(entry())))
    envelope["signatures"] *= 2
    twice = base64.b64encode(canonical_json(envelope) + b"\n").decode()
    calls = [("accept", [given, two, STATE, NOW]) for given in (signed(entry(), KEY, OTHER), signed(entry()), twice)]
    both, one, same = answers_of(*calls)
    assert "ok" in both
    assert "1 of 2" in one["error"]
    assert "1 of 2" in same["error"]


def polls(*releases: dict[str, Any], **more: Any) -> Any:
    return ask(("polls", [{"trust": TRUST, "releases": releases, "now": NOW, **more}]))[0]


def test_updates_go_beside_what_runs_and_what_is_wrong_leaves_it() -> None:
    releases = [
        release(1, b"first"),
        release(2, b"second", security_counter=3),
        release(1, b"first"),
        release(3, b"third", keys=(OTHER,), security_counter=3),
        release(4, b"a bad one", security_counter=3),
        release(4, b"a bad one", security_counter=3),
        release(5, b"fifth", security_counter=2),
        release(6, b"sixth", security_counter=3),
    ]
    log = polls(*releases)["log"]
    assert [line["running"] for line in log] == ["first", *["second"] * 6, "sixth"]
    assert [line["state"]["lastUpdate"]["result"] for line in log] == [
        *("installed", "installed", "refused", "refused", "reverted", "reverted", "refused", "installed"),
    ]
    assert log[5]["outcome"] == "ok"  # given up before: not tried again
    assert "v2 runs on" in log[4]["outcome"]
    assert log[-1]["state"]["securityCounter"] == 3


def test_a_damaged_download_is_not_installed() -> None:
    broken = release(2, b"second")
    broken["files"]["model.wasm"] = base64.b64encode(b"other").decode()
    log = polls(release(1, b"first"), broken, release(2, b"second"))["log"]
    assert [line["running"] for line in log] == ["first", "first", "second"]
    assert "not the file" in log[1]["outcome"]


@pytest.mark.parametrize("after", [False, True])
def test_a_cut_at_any_write_leaves_a_model_that_runs(after: bool) -> None:
    """A page may be closed at any moment: the next start runs the old model or the new one, and the poll goes on."""
    releases = [release(1, b"first"), release(2, b"second"), release(2, b"second")]
    writes = polls(*releases)["puts"]
    assert writes >= 6
    calls = [
        ("polls", [{"trust": TRUST, "releases": releases, "now": NOW, "cut": n, "after": after}]) for n in range(writes)
    ]
    for number, found in enumerate(ask(*calls)):
        running = [line["running"] for line in found["log"]]
        assert running[1] in ("first", "second"), number
        assert running[2] == "second", number


def test_motion_is_the_mean_of_each_period() -> None:
    events = [[n / 60, [n, -n]] for n in range(31)]  # 60 Hz for half a second
    found = ask(("motion", [10.0, events]))[0]
    assert found["missed"] == 0
    assert [round(a, 6) for a, _ in found["samples"]][:3] == [3.0, 9.5, 15.5]  # 0..6, 7..12, 13..18
    assert all(a == -b for a, b in found["samples"])


def test_motion_slower_than_the_contract_is_a_straight_line() -> None:
    events = [[n / 20, [float(n)]] for n in range(11)]
    found = ask(("motion", [50.0, events]))[0]
    assert found["gaps"] == 0
    errors = [abs(value - 0.4 * (n + 1)) for n, (value,) in enumerate(found["samples"])]
    assert max(errors) <= 0.4


def test_a_gap_in_motion_is_counted_and_starts_anew() -> None:
    events = [[n / 50, [1.0]] for n in range(20)] + [[5 + n / 50, [1.0]] for n in range(20)]
    found = ask(("motion", [10.0, events]))[0]
    assert (found["gaps"], found["missed"]) == (1, 46)
    assert len(found["samples"]) == 6


def tone(hz: float, rate: float, seconds: float = 0.1) -> list[float]:
    return [math.sin(2 * math.pi * hz * n / rate) for n in range(int(rate * seconds))]


@pytest.mark.parametrize("rate", [48000.0, 44100.0, 8000.0])
def test_sound_keeps_its_tone_and_loses_what_the_rate_cannot_hold(rate: float) -> None:
    wanted = min(rate, 16000.0)
    kept, split, lost = ask(
        ("audio", [rate, 16000.0, tone(440, rate), 10_000]),
        ("audio", [rate, 16000.0, tone(440, rate), 128]),
        ("audio", [rate, 16000.0, tone(0.66 * wanted, rate), 10_000]),
    )
    assert kept == pytest.approx(split[: len(kept)], abs=1e-9)
    assert abs(len(kept) - 1600) < 40
    middle = kept[400:1200]
    assert 0.98 < max(map(abs, middle)) < 1.02
    if rate > 16000:
        assert max(map(abs, lost[400:1200])) < 0.05


def test_motion_readings_have_the_contracts_units() -> None:
    event = {
        "acceleration": {"x": 1, "y": 2, "z": 3},
        "accelerationIncludingGravity": {"x": 1, "y": 2, "z": 12.80665},
        "rotationRate": {"alpha": 90, "beta": 180, "gamma": 0},
    }
    given = {"channels": ["ax", "az", "gx", "gz"], "units": ["m/s2", "g", "rad/s", "dps"], "frame_values": 4}
    plain, felt = ask(("readMotion", [event, given, False]), ("readMotion", [event, given, True]))
    assert plain == pytest.approx([1, 3 / 9.80665, math.pi, 90])
    assert felt[1] == pytest.approx(12.80665 / 9.80665)
    lacking = {**event, "rotationRate": None}
    assert ask(("readMotion", [lacking, given, False])) == [None]


def test_which_sensor_a_contract_can_be_fed_from() -> None:
    motion = {"sensor": "imu", "channels": ["ax", "gz"], "units": ["g", "rad/s"], "frame_values": 2, "rate_hz": 10.0}
    sound = {"sensor": "microphone", "channels": ["audio"], "units": ["1"], "frame_values": 320, "rate_hz": 16000.0}
    others = [
        {**motion, "units": ["g", "furlongs"]},
        {**motion, "channels": ["ax", "co2"]},
        {**motion, "rate_hz": None},
    ]
    answers = ask(*(("sensorFor", [given]) for given in (motion, sound, *others, {**motion, "frame_values": 0})))
    assert answers == ["motion", "microphone", None, None, None, None]


def test_outputs_are_shares_only_where_they_add_up() -> None:
    answers = ask(
        ("sharesOf", [[127, -128]]), ("sharesOf", [[0, 0]]), ("sharesOf", [[50, 60]]), ("bestOf", [[3, 9, 9]])
    )
    assert answers == [[255 / 256, 0], [0.5, 0.5], None, 1]
