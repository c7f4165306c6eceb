"""The page as files: a pure function of specs and keys, without anything from elsewhere."""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
from typing import Any

import pytest

from tinyops.boards.loader import load_catalog
from tinyops.errors import SpecError
from tinyops.files import digest_json
from tinyops.firmware import render_project
from tinyops.firmware.archive import pack
from tinyops.firmware.forms.browser import SOURCES
from tinyops.specs.acts import HttpAct

SPEC = load_catalog()["phone"].spec
CONTRACT: dict[str, Any] = {
    "abi": 1,
    "input": {
        "sensor": "imu",
        "channels": ["ax", "ay"],
        "units": ["m/s2", "rad/s"],
        "full_scale": [2.0, 4.0],
        "frame_values": 2,
        "rate_hz": 10.0,
        "window_frames": 4,
        "hop_frames": 2,
    },
    "output": {"classes": ["up", "down"], "type": "int8", "bytes": 2},
    "arena_bytes": None,
}


def page(**changes: Any) -> dict[str, bytes]:
    given = {"board": "phone", "spec": SPEC, "fleet": "wrist", "sensor": {"kind": "stream"}, "contract": CONTRACT}
    return render_project(**{**given, **changes})


def of_script(text: bytes) -> Any:
    """The JSON that a rendered script exports."""
    found = re.search(r"^export const [A-Z]+ = (.*);$", text.decode(), re.DOTALL | re.MULTILINE)
    assert found
    return json.loads(found.group(1))


def test_a_page_knows_its_contract_and_its_keys() -> None:
    trust = {"keys": {"a" * 64: "b" * 64}, "threshold": 1}
    files = page(trust=trust)
    found = of_script(files["page.js"])
    assert found["contract"] == CONTRACT
    assert f"sha256:{found['contractDigest']}" == digest_json(CONTRACT)
    assert of_script(files["trust.js"]) == trust
    assert of_script(page()["trust.js"])["keys"] == {}


def test_a_page_has_no_script_or_style_of_its_own_and_calls_nobody() -> None:
    text = page()["index.html"].decode()
    assert re.findall(r"<script[^>]*>([^<]*)</script>", text) == [""]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    for name, data in page().items():
        known = data.replace(b"http://www.w3.org/2000/svg", b"")
        assert not re.search(rb"https?://|//[a-z]+\.[a-z]", known), name
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    assert "default-src &#39;none&#39;" in policy.group(1)
    assert "unsafe-inline" not in policy.group(1)


def test_every_file_is_kept_for_the_time_without_a_network() -> None:
    files = page()
    worker = files["sw.js"].decode()
    listed = set(json.loads(re.search(r"const FILES = (\[[^\]]*\]);", worker).group(1)))  # type: ignore[union-attr]
    assert listed == {f"./{name}" for name in files if name != "sw.js"}
    assert {path.name for path in SOURCES.iterdir() if path.is_file()} <= set(files)


def test_any_change_of_the_page_changes_its_worker() -> None:
    other = page(contract={**CONTRACT, "arena_bytes": 5})
    assert other["sw.js"] != page()["sw.js"]
    assert page() == page()


def test_names_of_users_stay_text() -> None:
    channels = ["</script><b>", '"quoted"']
    hostile = {**CONTRACT, "input": {**CONTRACT["input"], "channels": channels}}
    files = page(contract=hostile)
    assert "<b>" not in files["index.html"].decode()
    assert of_script(files["page.js"])["contract"]["input"]["channels"] == channels


def test_gravity_stays_where_the_fleet_binds_that_sensor() -> None:
    assert not of_script(page(sensor={"kind": "onboard", "name": "motion"})["page.js"])["gravity"]
    assert of_script(page(sensor={"kind": "onboard", "name": "motion-with-gravity"})["page.js"])["gravity"]


def test_a_model_of_tensors_shows_no_signal() -> None:
    tensors = {**CONTRACT, "input": dict.fromkeys(CONTRACT["input"]) | {"frame_values": 0}}
    text = page(contract=tensors)["index.html"].decode()
    assert '<canvas id="plot" hidden>' in text
    assert "int8 numbers" in text


def test_a_contract_that_is_none_is_refused() -> None:
    with pytest.raises(SpecError, match="abi is 7"):
        page(contract={**CONTRACT, "abi": 7})


def test_a_zip_has_the_same_bytes_always() -> None:
    files = page()
    data = pack(files)
    assert data == pack(dict(reversed(files.items())))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {name: archive.read(name) for name in archive.namelist()} == files


def test_a_page_sends_results_only_where_its_fleet_says() -> None:
    act = HttpAct(kind="http", url="https://plant.example:8443/results?line=3", only_changes=True)
    files = page(acts=(act,))
    assert of_script(files["page.js"])["post"] == {"url": act.url, "onlyChanges": True}
    assert "connect-src 'self' https://plant.example:8443;" in html.unescape(files["index.html"].decode())
    assert "Results go to https://plant.example:8443." in files["index.html"].decode()
    silent = page()
    assert "post" not in of_script(silent["page.js"])
    assert "connect-src 'self';" in html.unescape(silent["index.html"].decode())
    assert b"Results go" not in silent["index.html"]
