"""Which makers' platforms this machine has: asked of PlatformIO, without a compiler and without a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.makers import BOARD_FILE, PINS, write_core, write_library
from fakes.projects import FINISHED, STREAM, Repository, fleet, repository
from tinyops.boards import load_catalog
from tinyops.build.steps import desired_steps
from tinyops.errors import RemoteError, ToolError
from tinyops.firmware import makers as packages
from tinyops.firmware.forms.arduino import libraries_of
from tinyops.firmware.makers import AtHand, Need
from tinyops.reconcile import makers
from tinyops.reconcile.locking import compare
from tinyops.reconcile.world import load_world_catalog
from tinyops.specs.loader import load_repository
from tinyops.specs.lock import Lock, TinyopsPins, dump_lock, load_lock

pytest.importorskip("platformio")
PIN = "sha256:" + "1" * 64


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TINYOPS_PIO_CORE", str(tmp_path / "core"))
    return tmp_path / "core"


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """A fleet with a board of its own, which only its maker's platform builds for."""
    boards = {"mine": STREAM, "linux": STREAM}
    made = repository(tmp_path / "repo", FINISHED, fleet("desk", "tiny", boards, "  proof: rendered\n"))
    made.write("specs/boards/mine.yaml", BOARD_FILE)
    return made


def locked(platforms: Mapping[str, Mapping[str, str]]) -> Lock:
    return Lock(tinyops=TinyopsPins(version="0.1.0", compiler=PIN, firmware=PIN), platforms=platforms)


def test_a_platform_that_is_whole_is_pinned_with_all_its_packages(core: Path, repo: Repository) -> None:
    write_core(core, compiler=False)
    found = makers.at_hand(repo.root)
    assert makers.lacking(found) == {}
    pins = makers.pins(found)
    assert set(pins) == {"mine"} and PINS.items() < pins["mine"].items()
    assert set(pins["mine"]) == {*PINS, "tool-scons"}
    lock = locked(pins)
    repo.write("specs/tinyops.lock.yaml", dump_lock(lock))
    assert load_lock(repo.root / "specs/tinyops.lock.yaml") == lock


def test_what_is_missing_is_said_with_its_version_and_folder(core: Path, repo: Repository) -> None:
    write_core(core, without="framework-maker", compiler=False)
    found = makers.at_hand(repo.root)
    assert makers.pins(found) == {}
    said = makers.lacking(found)["mine"]
    assert said.startswith(f"tool maker/framework-maker@3.1.0 is not in {core / 'packages'}\n")
    assert said.endswith(f"PLATFORMIO_CORE_DIR={core} pio pkg install -g -t maker/framework-maker@3.1.0")


def test_a_fleet_that_wants_built_has_no_lock_without_it(core: Path, repo: Repository) -> None:
    repo.edit("specs/fleets.yaml", "proof: rendered", "proof: built")
    with pytest.raises(
        ToolError, match=r"fleet desk wants proof built, and for mine platform maker/maker@1\.2\.3"
    ) as e:
        makers.at_hand(repo.root)
    assert "pio pkg install -g -p maker/maker@1.2.3" in e.value.hint
    assert f"is not in {core / 'platforms'}" in e.value.message
    assert not core.exists()  # asking has made nothing
    write_core(core, compiler=False)
    assert makers.at_hand(repo.root)["mine"].complete


def test_a_drivers_libraries_are_needed_where_a_fleet_reads_its_sensor(core: Path, repo: Repository) -> None:
    write_core(core, compiler=False)
    spec = load_world_catalog(repo.root)["mine"].spec
    assert spec.arduino is not None
    driver = load_catalog()["nano33ble"].spec.arduino.drivers["onboard-imu"]  # type: ignore[union-attr]
    library = driver.model_copy(update={"libraries": ("maker/Imu@1.1.1",)})
    arduino = spec.arduino.model_copy(update={"drivers": {"imu": library}})
    with_driver = spec.model_copy(update={"arduino": arduino})
    needs, others = (libraries_of(with_driver, sensor, ()) for sensor in ("imu", "other"))
    asked = makers._ask({"mine": (with_driver, needs)}, None)["mine"]
    assert asked.lacking == f"library maker/Imu@1.1.1 is not in {core / 'lib'}"
    assert makers._ask({"mine": (with_driver, others)}, None)["mine"].complete
    write_library(core, "Imu", "1.1.1", "")
    assert makers._ask({"mine": (with_driver, needs)}, None)["mine"].pins["Imu"] == "1.1.1"


def test_only_pinned_boards_are_built_and_have_other_keys(repo: Repository) -> None:
    catalog = load_world_catalog(repo.root)
    specs = load_repository(repo.root, catalog=catalog)
    without, with_pins = (
        {step.id: step for step in desired_steps(specs, locked(platforms), catalog)}
        for platforms in ({}, {"mine": dict(PINS), "linux": dict(PINS)})
    )
    assert with_pins["firmware:desk/mine"].lock["platform"] == dict(PINS)
    changed = {i for i in without if without[i].lock != with_pins[i].lock}
    assert changed == {"firmware:desk/mine"}


def test_a_lock_may_leave_a_board_rendered_and_may_not_be_missed(tmp_path: Path) -> None:
    path = tmp_path / "tinyops.lock.yaml"
    path.write_bytes(dump_lock(locked({})))
    compare(tmp_path, path, locked({"mine": dict(PINS)}))
    path.write_bytes(dump_lock(locked({"mine": dict(PINS)})))
    with pytest.raises(ToolError, match=r"platforms\.mine: the lock has .*maker 1\.2\.3.*, here it is nothing"):
        compare(tmp_path, path, locked({}))


def test_doctor_has_a_line_for_each_board_with_a_makers_platform(core: Path, repo: Repository) -> None:
    write_core(core, compiler=False)
    found = {check.name: check for check in makers.checks(load_world_catalog(repo.root), ["teensy41"])}
    mine, teensy, uno = (found[f"platform of {name}"] for name in ("mine", "teensy41", "uno-r4"))
    assert (mine.ok, mine.found, mine.advice) == (True, "1.2.3", "")
    assert (teensy.ok, teensy.found, teensy.optional) == (False, None, False)
    assert "pio pkg install -g -p teensy@" in teensy.advice
    assert uno.optional and "platform of mega2560" not in found  # that one the local platform builds


@pytest.mark.parametrize("spec", ["maker/maker@1.2.3", "https://example.invalid/maker.git#1"])
def test_without_a_network_fetching_ends_at_once_with_the_host(
    spec: str, core: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(address: tuple[str, int], timeout: float) -> None:
        raise ConnectionRefusedError(111, f"refused, asked for {timeout} s")

    monkeypatch.setattr("socket.create_connection", refused)
    for name in packages.pio.PROXIES:
        monkeypatch.delenv(name, raising=False)
    need = Need("platform", "maker", spec, core / "platforms", None, None)
    with pytest.raises(RemoteError, match=r"cannot be fetched: \S+:443: .*refused") as error:
        packages._fetch(AtHand(core, (need,)), print)
    assert "TINYOPS_PIO_CORE" in error.value.hint
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    with pytest.raises(RemoteError, match=r"proxy\.invalid:3128"):
        packages._fetch(AtHand(core, (need,)), print)


def test_a_platform_that_raises_says_so_and_the_others_are_asked_all_the_same(core: Path, repo: Repository) -> None:
    write_core(core, compiler=False)
    (core / "platforms/maker/platform.py").write_text("raise RuntimeError('made for another PlatformIO')\n")
    found = makers.at_hand(repo.root)
    assert makers.pins(found) == {}
    assert "cannot be used" in makers.lacking(found)["mine"]
    asked = {check.name: check for check in makers.checks(load_world_catalog(repo.root), [])}
    assert asked["platform of teensy41"].advice.startswith("platform teensy@")
