"""`tinyops agent --config`: what its file may say, and a gateway from the store to the report."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.carriers import over_udp
from fakes.herd import enrolled
from fakes.image_store import ImageStore
from fakes.ports import free_port
from fakes.reports import read_reports
from fakes.slot_board import CONTRACT
from fakes.trusted import Trusted
from fakes.updates import BODY, runs
from tinyops.cli import main
from tinyops.device.document import LISTEN, read_document
from tinyops.device.gateway.health import health
from tinyops.device.pages import own_snapshot, pages
from tinyops.device.service import secret_file, unit
from tinyops.device.update.decide import Offer
from tinyops.errors import SpecError, ToolError
from tinyops.images import Kind, build_image, read_image, sign_image
from tinyops.manifest.entry import EntryRollout
from tinyops.manifest.envelope import seal
from tinyops.manifest.fields import time_text
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.progress import POSITIONS, Progress
from tinyops.manifest.report import DeviceReport

HEAD = "apiVersion: tinyops/v1\nkind: Agent\nmetadata: {name: hall-3}\nspec:\n"
GOOD = HEAD + "  store: releases\n  trust: {keys: trusted.pem}\n"


def problems(tmp_path: Path, text: str) -> str:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_document(path)
    return caught.value.message.replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "agent.yaml:5:3: spec: has neither a device nor a gateway"),
        ("  gateway: {}\n", "agent.yaml:7:12: spec.gateway: names no devices"),
        ("  gateway: {auto: true, jobs: 0}\n", "agent.yaml:7:31: spec.gateway.jobs: must be at least 1"),
        ("  gateway: {addresses: ['xdp://a']}\n", "xdp://a: is no address of a device"),
        (
            "  gateway: {addresses: ['udp://a', 'udp://a']}\n",
            "agent.yaml:7:36: spec.gateway.addresses[1]: udp://a is named",
        ),
        ("  gateway: {devices: [{address: 'udp://a', listen: true}]}\n", "only serial lines can be listened to"),
        (
            "  gateway: {devices: [{address: 'udp://a', wake: {every_s: 50, for_s: 30}}]}\n",
            "for_s: is more than half of every_s",
        ),
        ("  listen: 0.0.0.0:99999\n  device: {fleet: wrist, board: linux}\n", "is no address to listen at"),
        ("  device: {fleet: wrist, board: linux}\n  intervall_s: 3\n", "did you mean interval_s?"),
    ],
)
def test_what_is_wrong_in_its_file_is_said_with_its_place(tmp_path: Path, more: str, said: str) -> None:
    assert said in problems(tmp_path, GOOD + more)


def test_somebody_must_be_believed(tmp_path: Path) -> None:
    text = HEAD + "  store: releases\n  trust: {root: root.json}\n  gateway: {auto: true}\n"
    assert "trust.root: wants metadata" in problems(tmp_path, text)
    assert "trust: says nobody to believe" in problems(tmp_path, text.replace("root: root.json", "threshold: 1"))


def test_flags_and_a_file_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "--config", "x.yaml", "--store", "y"]) == 64
    assert "with --config all settings are in the file" in capsys.readouterr().err
    assert main(["agent", "--store", "y", "--once"]) == 64
    assert "--fleet is missing" in capsys.readouterr().err


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path)


def signed(store: ImageStore, body: bytes = BODY) -> Offer:
    data = sign_image(build_image(body, kind=Kind.MODEL, board="microbit", contract=CONTRACT, counter=1), store.key)
    return Offer(read_image(data, where="test"), data, "model.img")


def release(store: ImageStore, image: Offer) -> Any:
    return store.release("wrist", "microbit", {"model": image.data}, contract=CONTRACT)


def test_a_gateway_from_the_store_to_the_report(store: ImageStore, capsys: pytest.CaptureFixture[str]) -> None:
    new = signed(store)
    entry = release(store, new)
    board = enrolled("w-1", keys=(store.key.public.raw, b"\x22" * 32))
    with over_udp(board.answer) as address:
        config = store.config(gateway={"addresses": [address]})
        assert main(["agent", "--config", str(config), "--once", "--json"]) == 0
        (device,) = json.loads(capsys.readouterr().out)["devices"]
        assert (device["device"], device["state"], device["text"]) == ("w-1", "current", None)
        assert main(["agent", "--config", str(config), "--once"]) == 0
        assert capsys.readouterr().out == "w-1: current\n1 device: 1 current\n"
    assert runs(board, new)
    (report,) = read_reports(store.folder / "reports")
    assert isinstance(report, DeviceReport)
    assert (report.device, report.reporter, report.running is not None) == ("w-1", "hall-3", True)
    assert report.running is not None and report.running.model == entry.model.digest
    assert [event.kind for event in report.events] == ["first-seen", "installed"]


@pytest.mark.parametrize("there", [False, True], ids=["nobody there", "a device there"])
def test_one_round_without_its_store_fails_after_the_round(
    store: ImageStore, there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    release(store, signed(store))
    shutil.rmtree(store.folder / "releases")
    board = enrolled("w-1", keys=(store.key.public.raw, b"\x22" * 32))
    with over_udp(board.answer) as address:
        config = store.config(gateway={"addresses": [address if there else "udp://127.0.0.1:9"]})
        assert main(["agent", "--config", str(config), "--once"]) == 69
    assert "cannot be read: No such file or directory" in capsys.readouterr().err


def test_an_entry_by_a_stranger_changes_nothing(store: ImageStore, capsys: pytest.CaptureFixture[str]) -> None:
    new = signed(store)
    release(store, new)
    other = ImageStore(store.folder / "other") if (store.folder / "other").mkdir() is None else store
    shutil.copy(other.folder / "trusted.pem", store.folder / "trusted.pem")
    board = enrolled("w-1")
    with over_udp(board.answer) as address:
        main(["agent", "--config", str(store.config(gateway={"addresses": [address]})), "--once", "--json"])
    (device,) = json.loads(capsys.readouterr().out)["devices"]
    assert device["state"] == "held" and "trusted signatures are right" in device["text"]
    assert (1, 1) not in board.requests


def test_a_gateway_believes_metadata(store: ImageStore, capsys: pytest.CaptureFixture[str]) -> None:
    """TUF, with the progress of a rollout; then a host that hands out metadata of a stranger."""
    new = signed(store)
    entry = release(store, new)
    trusted = Trusted(store.folder / "metadata", clock=datetime.now(UTC))
    (store.folder / "root.json").write_bytes(trusted.roots[0])
    key = trusted.online.public.raw.hex()
    halves = EntryRollout(id=entry.version, waves=(POSITIONS - 1,), on_failure="revert", keys=(key,))
    sealed = seal(entry.model_copy(update={"rollout": halves}).to_json(), [store.key]).to_bytes()
    board = enrolled("w-1", keys=(store.key.public.raw, b"\x22" * 32))
    with over_udp(board.answer) as address:
        trust = {"root": "root.json", "metadata": "metadata"}
        config = str(store.config(gateway={"addresses": [address]}, trust=trust))

        def state_with(waves: int, sequence: int) -> str:
            progress = sealed_progress(trusted, entry.version, waves, sequence)
            trusted.release({"entry-wrist-microbit.json": sealed}, sequence, {"wrist": progress})
            assert main(["agent", "--config", config, "--once", "--json"]) == 0
            (device,) = json.loads(capsys.readouterr().out)["devices"]
            return str(device["state"])

        assert state_with(0, 1) == "held" and not runs(board, new)
        assert state_with(1, 2) == "current" and runs(board, new)
        stranger = Trusted(store.folder / "strange", clock=datetime.now(UTC))
        stranger.release({"entry-wrist-microbit.json": sealed}, 3)
        shutil.rmtree(store.folder / "metadata")
        (store.folder / "strange").rename(store.folder / "metadata")
        assert main(["agent", "--config", config, "--once"]) == 69
    assert runs(board, new)


def sealed_progress(trusted: Trusted, version: int, waves: int, sequence: int) -> bytes:
    now = datetime.now(UTC)
    progress = Progress(
        project="wearables",
        fleet="wrist",
        rollout=version,
        sequence=sequence,
        state="advancing",
        waves=waves,
        since=time_text(now),
        time=time_text(now),
        expires=time_text(now + timedelta(days=3)),
    )
    return seal(progress.to_json(), [trusted.online]).to_bytes()


def test_a_machine_without_devices_behind_it_tells_how_it_stands(tmp_path: Path) -> None:
    take = own_snapshot("pi-7", tmp_path, 300.0)
    assert health(take())[0] and take().last_poll == 0
    report = {"time": "2027-01-02T03:04:05Z", "problem": "the store is away"}
    (tmp_path / "report.json").write_bytes(seal(report, [SigningKey.generate()]).to_bytes())
    assert (take().poll_problem, take().last_poll) == ("the store is away", 0)
    (tmp_path / "report.json").write_bytes(seal({**report, "problem": None}, [SigningKey.generate()]).to_bytes())
    assert take().last_poll == 1798859045


def test_health_and_metrics_are_on_loopback_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(GOOD + "  device: {fleet: wrist, board: linux}\n")
    assert read_document(path).spec.listen == LISTEN == "127.0.0.1:9110"
    snapshot, said, port = own_snapshot("pi-7", tmp_path, 300.0), [], free_port()
    with pages(f"127.0.0.1:{port}", snapshot, said.append, chosen=True):
        assert "tinyops_" in get(f"http://127.0.0.1:{port}/metrics")[1]
        with pages(f"127.0.0.1:{port}", snapshot, said.append, chosen=False):
            pass
        with pytest.raises(ToolError), pages(f"127.0.0.1:{port}", snapshot, said.append, chosen=True):
            pass
    assert said[0] == f"health and metrics at http://127.0.0.1:{port}/metrics" and said[1].startswith("warning: ")
    with pages("", snapshot, said.append, chosen=True), pytest.raises(urllib.error.URLError):
        get(f"http://127.0.0.1:{port}/metrics")


def test_an_agent_of_flags_that_stays_serves_them_too(store: ImageStore) -> None:
    port = free_port()
    flags = ["--store", "releases", "--trust", "trusted.pem", "--fleet", "wrist", "--board", "linux", "--state", "own"]
    command = [sys.executable, "-m", "tinyops", "agent", *flags, "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=store.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port))
        assert "ok" in json.loads(get(f"http://127.0.0.1:{port}/healthz")[1])
    finally:
        process.terminate()
        process.wait(60)
    assert main(["agent", *flags, "--listen", "everywhere"]) == 64


def answers(port: int) -> bool:
    try:
        return "tinyops_" in get(f"http://127.0.0.1:{port}/metrics")[1]
    except urllib.error.URLError:
        return False


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_process_that_stays_takes_a_new_release_and_ends_when_asked(store: ImageStore) -> None:
    """Health, metrics and systemd's socket on the way."""
    release(store, signed(store))
    newer = signed(store, BODY * 2)
    board, port = enrolled("w-1", keys=(store.key.public.raw, b"\x22" * 32)), free_port()
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(store.folder / "notify"))
    with over_udp(board.answer) as address:
        config = store.config(gateway={"addresses": [address]}, interval_s=0.5, listen=f"127.0.0.1:{port}")
        environment = {**os.environ, "NOTIFY_SOCKET": str(store.folder / "notify")}
        command = [sys.executable, "-m", "tinyops", "agent", "--config", str(config)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            told.settimeout(60)
            assert told.recv(99) == b"READY=1"
            release(store, newer)
            wait_for(lambda: runs(board, newer))
            wait_for(lambda: 'fleet="wrist",state="current"} 1' in get(f"http://127.0.0.1:{port}/metrics")[1])
            status, body = get(f"http://127.0.0.1:{port}/healthz")
            assert status == 200 and json.loads(body)["ok"] is True
            assert get(f"http://127.0.0.1:{port}/etc/passwd")[0] == 404
            assert told.recv(99) == b"WATCHDOG=1"
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
            told.close()
    assert process.returncode == 0, err
    assert out.splitlines()[0] == "w-1: current" and "Traceback" not in err


def wait_for(done: Any) -> None:
    for _ in range(600):
        if done():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


def test_one_process_is_a_device_and_a_gateway(store: ImageStore, capsys: pytest.CaptureFixture[str]) -> None:
    """The device's own store has nothing for it: the gateway does its work nevertheless."""
    new = signed(store)
    release(store, new)
    board = enrolled("w-1", keys=(store.key.public.raw, b"\x22" * 32))
    with over_udp(board.answer) as address:
        config = store.config(gateway={"addresses": [address]}, device={"fleet": "wrist", "board": "linux"})
        assert main(["agent", "--config", str(config), "--once"]) == 69
    assert "entry-wrist-linux.json" in capsys.readouterr().err and runs(board, new)
    assert {report.device for report in read_reports(store.folder / "reports")} == {"w-1", "hall-3"}  # type: ignore[union-attr]


def test_the_unit_is_what_systemd_takes(
    store: ImageStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = store.config(gateway={"auto": True}, state="/var/lib/tinyops")
    assert main(["agent", "--config", str(config), "--systemd-unit"]) == 0
    text = capsys.readouterr().out
    assert f"agent --config {config}" in text and "StateDirectory=tinyops\n" in text and "AF_BLUETOOTH" not in text
    assert "AF_BLUETOOTH" in unit(Path("/opt/tinyops"), config, "tinyops", bluetooth=True)
    tokens = store.config(
        gateway={"auto": True},
        state="/var/lib/tinyops",
        reports={"to": "https://r.example.org", "token_file": "r.token"},
    )
    assert main(["agent", "--config", str(tokens), "--systemd-unit"]) == 0
    assert f"\nLoadCredential=r.token:{store.folder}/r.token\n" in capsys.readouterr().out
    (store.folder / "r.token").write_text("x")
    assert secret_file(Path("/etc/tinyops/r.token")) == Path("/etc/tinyops/r.token")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(store.folder))
    assert secret_file(Path("/etc/tinyops/r.token")) == store.folder / "r.token"
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    path = store.folder / "tinyops-agent.service"
    path.write_text(unit(Path(sys.executable), config, "tinyops", bluetooth=False, secrets=[store.folder / "r.token"]))
    checked = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "tinyops" not in checked.stderr, checked.stderr


def test_a_second_agent_keeps_out(store: ImageStore, capsys: pytest.CaptureFixture[str]) -> None:
    from tinyops.device.state import only_agent

    config = store.config(gateway={"addresses": ["udp://127.0.0.1:9"]})
    with only_agent(store.folder / "state" / "gateway"):
        assert main(["agent", "--config", str(config), "--once"]) == 75
    assert "another agent uses this state folder" in capsys.readouterr().err
    assert threading.active_count() < 20
