"""The phone end to end: a repository applied, its page opened in Chromium, fed, updated, cheated, cut off."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_compiler_wasm import build as build_module

from fakes import projects, web
from fakes.tflite import Tflite
from tinyops.boards.loader import load_catalog
from tinyops.errors import ToolError
from tinyops.files import digest_bytes
from tinyops.firmware import render_project
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey
from tinyops.specs.acts import HttpAct
from tinyops.twin import chromium as twin_browser
from tinyops.twin.chromium import open_browser
from tinyops.twin.page_server import PageServer, read_page, serving

pytestmark = pytest.mark.build
sync_api = pytest.importorskip("playwright.sync_api")
ENTRY = "entry-desk-phone.json"
FLEET = projects.fleet("desk", "tiny", {"phone": projects.STREAM})


def model(turned: bool = False) -> bytes:
    """A dense layer; the other one has its weights in another order."""
    made = Tflite()
    made.tensor((1, 20), scale=0.5, zero_point=3, name="input")
    weights = np.arange(40).reshape(2, 20) % 11 - 5
    made.tensor((2, 20), scale=0.25, data=weights[:, ::-1].copy() if turned else weights, name="weights")
    made.tensor((2,), "int32", scale=0.125, data=np.arange(2) * 7, name="bias")
    made.tensor((1, 2), scale=1.0, zero_point=-4, name="output")
    made.operator("FULLY_CONNECTED", [0, 1, 2], [3], table="FullyConnectedOptions", fusedActivationFunction=0)
    return made.build([0], [3])


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> projects.Repository:
    """Two releases of one fleet; the second has another model."""
    if shutil.which("chromium") is None and os.environ.get("CI") != "true":
        pytest.skip("chromium is not on PATH: run `make setup`")
    root = tmp_path_factory.mktemp("phone") / "bench"
    made = projects.locked(projects.repository(root, projects.FINISHED, FLEET, model=model()))
    made.ok("apply")
    first, second = (digest_bytes(model(turned)) for turned in (False, True))
    made.write("models/tiny.tflite", model(turned=True))
    made.edit("specs/fleets.yaml", first, second)
    made.ok("apply")
    return made


@pytest.fixture(scope="module")
def chromium(applied: projects.Repository) -> Iterator[Any]:
    with open_browser("test") as (browser, _):
        yield browser


class Phone:
    """One person's phone: a browser's own storage, and a site whose files a test changes."""

    def __init__(self, browser: Any, applied: projects.Repository, site: Path, server: PageServer) -> None:
        self.context = browser.new_context(viewport={"width": 390, "height": 844})
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda m: self.problems.append(m.text) if "Content Security" in m.text else None)
        self.applied, self.site, self.server = applied, site, server

    def open(self) -> Phone:
        self.page.goto(self.server.url)
        return self.ready()

    def ready(self) -> Phone:
        self.page.wait_for_selector("body[data-ready=yes]")
        assert self.problems == []
        return self

    def offer(self, tag: str) -> None:
        """The site's newest release is from now on this one."""
        (self.site / "latest").unlink(missing_ok=True)
        (self.site / "latest").symlink_to(tag)

    def sign(self, tag: str, **changes: Any) -> None:
        """A further release whose entry is the second's with changes, signed with the project's key."""
        secret = self.applied.root / ".tinyops" / "secrets" / projects.KEY
        key = SigningKey.from_pem(secret.read_bytes(), where="test")
        fields = json.loads((self.site / "v2" / ENTRY).read_bytes())["signed"]
        (self.site / tag).mkdir()
        (self.site / tag / ENTRY).write_bytes(seal({**fields, "version": int(tag[1:]), **changes}, [key]).to_bytes())
        self.offer(tag)

    def signed(self, tag: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.site / tag / ENTRY).read_bytes())["signed"]
        return found

    def check(self) -> str:
        """Asks for updates; what came of it."""
        self.page.click("#check")
        self.page.wait_for_selector("#check:enabled")
        return self.text("last-update")

    def text(self, name: str) -> str:
        found: str = self.page.inner_text(f"#{name}")
        return found

    def runs(self, tag: str) -> bool:
        return self.text("fact-model") == self.signed(tag)["model"]["sha256"] and self.classifies()

    def classifies(self) -> bool:
        before = int(self.text("inferences"))
        self.page.check("input[value=typed]")
        self.page.fill("#typed", "ax,ay\n" + "1.5,0.1\n-1.5,0.1\n" * 5)
        self.page.click("#start")
        sync_api.expect(self.page.locator("#inferences")).not_to_have_text(str(before))
        return int(self.text("inferences")) == before + 1


@pytest.fixture
def phone(chromium: Any, applied: projects.Repository, tmp_path: Path) -> Iterator[Phone]:
    site = tmp_path / "releases"
    shutil.copytree(applied.releases, site, symlinks=True)
    files = read_page(site / "v1" / "firmware.desk.phone.page.zip")
    with serving(files, site) as server:
        made = Phone(chromium, applied, site, server)
        made.offer("v1")
        yield made
        made.context.close()


def test_apply_proves_the_page_and_the_module_and_releases_both(applied: projects.Repository) -> None:
    board = applied.manifest()["fleets"]["desk"]["boards"]["phone"]
    assert board["proof"] == {"model": "same-bytes", "firmware": "same-bytes"}
    assert board["model"]["kind"] == "wasm"
    assert board["firmware"]["asset"] == "firmware.desk.phone.page.zip"
    figures = board["figures"]
    assert (figures["bit_exact"], figures["vectors"], figures["instructions"]) == (True, 16, None)
    assert figures["ram_bytes"] <= 128 << 10
    assert any("a browser does not let a page count them" in line for line in figures["not_covered"])
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_a_page_is_the_same_bytes_again_and_holds_public_keys_only(applied: projects.Repository) -> None:
    kept = (applied.releases / "v1" / "firmware.desk.phone.page.zip").read_bytes()
    applied.clear_store()
    shutil.rmtree(applied.root / "cache", ignore_errors=True)
    applied.ok("plan")
    with zipfile.ZipFile(applied.releases / "v1" / "firmware.desk.phone.page.zip") as archive:
        trust = archive.read("trust.js").decode()
    secret = (applied.root / ".tinyops" / "secrets" / projects.KEY).read_text().splitlines()[1]
    public = SigningKey.from_pem(
        (applied.root / ".tinyops" / "secrets" / projects.KEY).read_bytes(), where="test"
    ).public
    assert public.raw.hex() in trust
    assert secret.encode() not in kept


def test_a_phone_installs_proves_runs_and_takes_the_next_release(phone: Phone) -> None:
    phone.open()
    assert phone.text("last-update") == "installed v1: 16 golden vectors bit-exact"
    assert phone.text("state") == "Running v1"
    assert phone.runs("v1")
    assert phone.text("class") == "shake" or phone.text("class") == "rest"
    phone.offer("v2")
    assert phone.check() == "installed v2: 16 golden vectors bit-exact"
    assert phone.runs("v2")
    assert phone.signed("v1")["model"]["sha256"] != phone.signed("v2")["model"]["sha256"]


def test_a_recording_is_classified_and_counted(phone: Phone, applied: projects.Repository) -> None:
    phone.open()
    phone.page.check("input[value=recording]")
    phone.page.set_input_files("#file", str(applied.root / "data" / "shake-01.csv"))
    phone.page.uncheck("#real-time")
    phone.page.click("#start")
    phone.page.wait_for_selector("#history li")
    sync_api.expect(phone.page.locator("#start")).to_have_text("Play")
    assert phone.text("inferences") == "2"  # 20 frames, windows and hops of 10
    assert phone.page.locator("#history li").count() == 2
    shown = phone.page.locator("#histogram li .share").all_inner_texts()
    assert sum(map(int, shown)) == 2
    assert phone.text("complaint") == ""


def test_what_may_not_be_installed_is_refused_and_the_old_model_runs_on(phone: Phone) -> None:
    phone.offer("v2")
    phone.open()
    assert phone.runs("v2")
    phone.offer("v1")
    assert "v1 is older than v2" in phone.check()
    phone.sign("v3", contract="d" * 64)
    assert "is for contract dddd" in phone.check()
    phone.sign("v4", expires="2020-01-01T00:00:00Z")
    assert "expired" in phone.check()
    phone.sign("v5", model=phone.signed("v1")["model"])
    entry = phone.site / "v5" / ENTRY
    entry.write_bytes(entry.read_bytes().replace(b'"security_counter":0', b'"security_counter":9'))
    assert "0 of 1 trusted signatures" in phone.check()
    phone.sign("v6", model={**phone.signed("v1")["model"], "asset": "compile.tiny.phone.contract.json"})
    assert phone.check().startswith("failed v6")
    assert phone.text("last-update").endswith(
        "bytes" if "longer" in phone.text("last-update") else "not the file that the signed entry names"
    )
    phone.page.reload()
    phone.ready()
    assert phone.runs("v2")


def test_a_model_that_computes_otherwise_is_given_up(phone: Phone) -> None:
    phone.open()
    phone.sign("v3", golden=phone.signed("v1")["golden"])  # the second model against the first one's vectors
    assert "reverted v3: golden vector" in phone.check()
    assert phone.runs("v1")
    again = phone.check()
    assert "reverted v3" in again
    assert "was given up before" in phone.text("events")
    phone.offer("v2")
    assert "older than v3" in phone.check()


def test_a_security_counter_never_goes_back(phone: Phone) -> None:
    phone.open()
    phone.sign("v3", security_counter=5)
    assert phone.check().startswith("installed v3")
    phone.sign("v4", security_counter=4)
    assert "counter 4 is below 5" in phone.check()
    assert phone.text("fact-counter") == "5"


def test_a_page_opens_and_runs_without_a_network(phone: Phone, chromium: Any) -> None:
    phone.open()
    phone.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    phone.server.shutdown()
    phone.server.socket.close()
    phone.page.reload()
    phone.ready()
    assert phone.text("state") == "Running v1"
    assert phone.runs("v1")
    assert phone.text("last-update").startswith("failed: /releases/latest/")


def test_a_model_that_hangs_takes_its_thread_along_and_not_the_page(phone: Phone, tmp_path: Path) -> None:
    begin = "int32_t tinyops_model_invoke(void *arena) {"
    loop = f"{begin}\n  for (volatile int on = 1; on;) {{\n  }}"
    module = build_module(tmp_path / "hang", model(), edit=(begin, loop))
    digest = json.loads((module / "image.json").read_text())["header"]["contract"]
    phone.server.files = {**phone.server.files, "hang.wasm": (module / "model.wasm").read_bytes()}
    phone.open()
    said = phone.page.evaluate(
        """async (contract) => {
          const { Model } = await import(new URL("./model.js", location.href).href);
          const bytes = new Uint8Array(await (await fetch("./hang.wasm")).arrayBuffer());
          const model = await Model.start(bytes, contract, 400);
          const first = await model.call("invoke").catch((error) => error.message);
          return [first, await model.call("stats").catch((error) => error.message)];
        }""",
        digest,
    )
    assert said == ["hangs: no end of invoke within 0.4 s", "was stopped"]
    assert phone.runs("v1")


def test_motion_events_of_the_phone_are_resampled_and_classified(phone: Phone) -> None:
    """No sensor of this machine: the events are made here, as a phone's browser makes them."""
    phone.open()
    phone.page.check("input[value=sensor]")
    phone.page.click("#start")
    phone.page.evaluate(
        """async () => {
          for (let i = 0; i < 75; i++) {
            const acceleration = { x: 9.8 * Math.sin(i), y: 0.1, z: 0 };
            dispatchEvent(new DeviceMotionEvent("devicemotion", { acceleration, interval: 16 }));
            await new Promise((resolve) => setTimeout(resolve, 16));
          }
        }"""
    )
    phone.page.wait_for_selector("#history li")
    assert phone.text("start") == "Stop"
    phone.page.click("#start")
    assert phone.text("start") == "Start"


def posting_page(phone: Phone, url: str, *, only_changes: bool = False) -> None:
    """The site's page from now on is that of a fleet whose results go to a server."""
    trust = re.search(r"TRUST = (.*);", phone.server.files["trust.js"].decode(), re.DOTALL)
    assert trust
    act = HttpAct(kind="http", url=url, only_changes=only_changes)
    phone.server.files = render_project(
        board="phone",
        spec=load_catalog()["phone"].spec,
        fleet="desk",
        sensor={"kind": "stream"},
        contract=json.loads((phone.site / "v1" / "compile.tiny.phone.contract.json").read_bytes()),
        trust=json.loads(trust.group(1)),
        acts=(act,),
    )


def run_typed(phone: Phone, count: int) -> None:
    for _ in range(count):
        assert phone.classifies()


def test_results_of_a_page_go_where_its_fleet_says(phone: Phone, tmp_path: Path) -> None:
    with web.serving(tmp_path) as plant:
        posting_page(phone, f"{plant.url}/results")
        phone.open()
        phone.page.evaluate(
            """async () => {
              const { board } = await import(new URL("./board.js", location.href).href);
              await board.push(new Int16Array(20));
            }"""
        )
        run_typed(phone, 2)
        sync_api.expect(phone.page.locator("#posted")).to_have_text("2")
        assert [result["sequence"] for result in plant.taken] == [1, 2], "what a twin feeds the board is not posted"
        first, second = plant.taken
        assert first["schema"] == "tinyops/result/v1" and first["label"] in ("rest", "shake")
        assert (first["board"], first["fleet"]) == ("phone", "desk") and first["device"].startswith("phone-")
        assert first["model"] == f"sha256:{phone.signed('v1')['model']['sha256']}"
        assert len(first["scores"]) == 2 and (first["scale"], first["zero_point"]) == (1 / 256, -128)
        assert second["device"] == first["device"] and second["ms"] >= first["ms"]
        phone.page.reload()
        phone.ready()
        run_typed(phone, 1)
        sync_api.expect(phone.page.locator("#posted")).to_have_text("3")
        third = plant.taken[2]
        assert (third["device"], third["sequence"]) == (first["device"], 3) and phone.problems == []


def test_a_page_s_server_in_trouble_costs_no_inference(phone: Phone, tmp_path: Path) -> None:
    with web.serving(tmp_path) as plant:
        posting_page(phone, f"{plant.url}/results")
        plant.faults["results"] = web.at_first(2, web.status(500))
        phone.open()
        run_typed(phone, 3)
        sync_api.expect(phone.page.locator("#posted")).to_have_text("3")
        assert [result["sequence"] for result in plant.taken] == [0, 1, 2] and len(plant.asked) == 5
        plant.faults["results"] = web.at_first(1, web.status(400))
        run_typed(phone, 1)
        sync_api.expect(phone.page.locator("#unposted")).to_have_text("1")
        assert phone.text("posting") == "the server answered 400"
        plant.faults["results"] = web.silent
        run_typed(phone, 2)
    sync_api.expect(phone.page.locator("#posting")).to_have_text("cannot be reached")
    run_typed(phone, 1)
    assert phone.text("complaint") == ""


def test_a_page_posts_only_changes_where_it_is_told_to(phone: Phone, tmp_path: Path) -> None:
    with web.serving(tmp_path) as plant:
        posting_page(phone, f"{plant.url}/results", only_changes=True)
        phone.open()
        run_typed(phone, 3)
        sync_api.expect(phone.page.locator("#posted")).to_have_text("1")
        assert [result["sequence"] for result in plant.taken] == [0]


def test_a_page_of_another_contract_is_refused_by_the_twin(applied: projects.Repository, tmp_path: Path) -> None:
    from tinyops.twin import open_twin

    files = released(applied, tmp_path)
    contract = json.loads(files["contract.json"].read_text())
    files["contract.json"].write_text(json.dumps({**contract, "arena_bytes": 77}))
    with (
        pytest.raises(ToolError, match="built for another contract"),
        open_twin("phone", load_catalog()["phone"].spec, files),
    ):
        pass


def released(applied: projects.Repository, folder: Path) -> dict[str, Path]:
    names = {
        "model.wasm": "image.tiny.phone.model.wasm",
        "page.zip": "firmware.desk.phone.page.zip",
        "contract.json": "compile.tiny.phone.contract.json",
    }
    return {name: Path(shutil.copy(applied.releases / "v1" / asset, folder / name)) for name, asset in names.items()}


def test_without_chromium_the_twin_says_what_to_type(
    applied: projects.Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tinyops.twin import open_twin

    files = released(applied, tmp_path)
    monkeypatch.setattr(twin_browser, "CHROMIUM", "chromium-that-is-not-there")
    with pytest.raises(ToolError) as caught, open_twin("phone", load_catalog()["phone"].spec, files):
        pass
    assert "apt-get install chromium" in caught.value.hint
