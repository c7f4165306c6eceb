"""The agent end to end with real compiled models: install, prove, switch, run, report, and refuse."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fakes import web
from fakes.faults import count_faults
from fakes.models import FakeModel, compiled_model, contract_bytes
from fakes.power import cut_at
from fakes.releases import Publisher
from fakes.reports import read_reports
from fakes.trusted import Trusted
from fakes.web import FakeServer, Fault, serving
from tinyops.device.agent import run_agent
from tinyops.device.proof import ModelFault
from tinyops.device.settings import AgentSettings
from tinyops.device.state import only_agent
from tinyops.errors import ExitCode, Leased, RemoteError, TinyopsError, ToolError
from tinyops.files import digest_bytes
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import DeviceReport, read_report

pytestmark = pytest.mark.build

GOOD, NEWER = compiled_model(), compiled_model(bias=40)
ENTRY = "entry-wrist-linux.json"


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "walk.csv"
    path.write_text("ay,ax,note\n" + "1.0,1.5,a\n" * 6 + "-1.5,-1.5,b\n" * 6)
    return path


def settings(publisher: Publisher, **changes: Any) -> AgentSettings:
    fields: dict[str, Any] = {
        "store": str(publisher.store.root),
        "fleet": "wrist",
        "board": "linux",
        "device": "pi-7",
        "state": publisher.root / "state",
        "trust": publisher.trust_file,
        "reports": str(publisher.root / "reports"),
        "once": True,
    }
    return AgentSettings(**{**fields, **changes})


def report_of(publisher: Publisher) -> DeviceReport:
    """What the device last reported, read as drift reads it."""
    (report,) = read_reports(publisher.root / "reports")
    assert isinstance(report, DeviceReport)
    return report


def refusal(wanted: AgentSettings, kind: type[TinyopsError] = RemoteError) -> str:
    with pytest.raises(kind) as caught:
        run_agent(wanted)
    return caught.value.message


def runs(report: DeviceReport, library: bytes) -> bool:
    return report.running is not None and report.running.model == digest_bytes(library)


def test_a_device_pulls_proves_runs_and_reports(publisher: Publisher, recording: Path) -> None:
    publisher.publish(GOOD, counter=2)
    events: list[str] = []
    report = run_agent(settings(publisher, replay=recording), on_event=events.append)
    assert runs(report, GOOD.library)
    assert report == report_of(publisher)
    assert report.slot.state == "confirmed"
    assert report.running is not None
    assert (report.running.version, report.running.security_counter) == (1, 2)
    assert report.last_update is not None
    assert (report.last_update.result, report.last_update.reason) == ("installed", "5 golden vectors bit-exact")
    # 12 frames, windows of 4 every 2. A frame's high bytes are 96 and 32 first, then -96 and -48, so the
    # means of the windows are 64, 64, -4, -72, -72.
    assert (report.health.inferences, report.health.classes) == (5, {"up": 2, "down": 3})
    assert sum(report.health.confidence) == 5 and len(report.health.confidence) == 10
    assert (report.health.self_test, report.health.crashes) == ("pass", 0)
    assert [(event.kind, event.text) for event in report.events] == [("installed", "v1: 5 golden vectors bit-exact")]
    assert (publisher.root / "state" / "device.key").stat().st_mode & 0o777 == 0o600
    assert any("5 golden vectors bit-exact; runs from slot a" in event for event in events)


def test_a_second_release_goes_beside_the_first(publisher: Publisher, recording: Path) -> None:
    publisher.publish(GOOD)
    first = run_agent(settings(publisher, replay=recording))
    publisher.publish(NEWER)
    second = run_agent(settings(publisher, replay=recording))
    assert runs(second, NEWER.library)
    assert second.sequence == first.sequence + 1
    assert second.health.classes != first.health.classes
    slots = publisher.root / "state" / "slots"
    assert (slots / "a" / "model.so").read_bytes() == GOOD.library
    assert (slots / "b" / "model.so").read_bytes() == NEWER.library


def test_an_unchanged_model_in_a_new_release_is_not_fetched(publisher: Publisher) -> None:
    with serving(publisher.store.root) as server:
        publisher.publish(GOOD)
        wanted = settings(publisher, store=server.url)
        since = run_agent(wanted).running
        publisher.publish(GOOD, held=({"fleet": "wrist", "reason": "x", "since": 2},))
        server.seen.clear()
        report = run_agent(wanted)
        assert [path for path, _ in server.seen] == [f"/latest/{ENTRY}"]
    assert report.running is not None
    assert since is not None
    assert (report.running.version, report.running.since) == (2, since.since)


def test_a_rollback_release_finds_its_model_still_in_the_other_slot(publisher: Publisher) -> None:
    with serving(publisher.store.root) as server:
        wanted = settings(publisher, store=server.url)
        for model in (GOOD, NEWER):
            publisher.publish(model)
            run_agent(wanted)
        publisher.publish(GOOD)
        server.seen.clear()
        report = run_agent(wanted)
        assert len(server.seen) == 1
    assert runs(report, GOOD.library)
    assert report.running is not None
    assert report.running.version == 3


def test_an_idle_poll_is_one_request_without_a_body_and_still_runs(publisher: Publisher, recording: Path) -> None:
    publisher.publish(GOOD)
    with serving(publisher.store.root) as server:
        wanted = settings(publisher, store=server.url, replay=recording)
        run_agent(wanted)
        server.seen.clear()
        sent = server.sent
        report = run_agent(wanted)
        assert (len(server.seen), server.sent - sent) == (1, 0)
    assert report.health.inferences == 10


FAULTY = {
    "WRONG": "golden vector 1 of 5: output byte 0 is",
    "CRASH": "crashed on the golden vectors: model failed: killed by SIGSEGV",
    "HANG": "hung: no end of the golden vectors within 1 s",
    "OVERRUN": "writes outside its arena",
    "FAIL": "invoke failed: called out of order",
    "CRASH_IN_PREPARE": "crashed on the recording: model failed: killed by SIGSEGV",
}


@pytest.mark.parametrize(("macro", "sentence"), FAULTY.items())
def test_a_faulty_model_is_given_up_and_the_old_one_runs_on(
    publisher: Publisher, recording: Path, macro: str, sentence: str
) -> None:
    wanted = settings(publisher, replay=recording, prove_timeout_s=1.0)
    publisher.publish(GOOD)
    run_agent(wanted)
    publisher.publish(compiled_model(macro, bias=40), counter=9)
    message = refusal(wanted)
    assert sentence in message
    assert "v1 runs on" in message
    report = report_of(publisher)
    assert runs(report, GOOD.library)
    assert report.slot.state == "reverted"
    assert report.problem == message
    assert report.running is not None
    assert report.running.security_counter == 0
    assert report.last_update is not None
    assert (report.last_update.version, report.last_update.result) == (2, "reverted")
    again = run_agent(wanted)  # quarantined: not tried again, no error, the old one goes on
    assert again.slot.state == "reverted"
    assert again.health.inferences == report.health.inferences + 5
    publisher.publish(NEWER, counter=9)
    assert runs(run_agent(wanted), NEWER.library)


def test_crashes_of_what_runs_are_counted_and_what_befell_a_device_is_kept(
    publisher: Publisher, recording: Path
) -> None:
    publisher.publish(compiled_model("CRASH_IN_PREPARE"))
    run_agent(settings(publisher))  # without a recording its trial is the golden vectors alone
    for number in (1, 2):
        assert "crashed on the recording" in refusal(settings(publisher, replay=recording), ModelFault)
        assert report_of(publisher).health.crashes == number
    publisher.publish(compiled_model("WRONG"))
    refusal(settings(publisher))
    publisher.publish(GOOD)
    report = run_agent(settings(publisher, replay=recording))
    assert report.health.crashes == 0, "of the new model"
    assert [event.kind for event in report.events] == ["installed", "crash", "reverted", "installed"]
    assert "golden vector 1 of 5" in report.events[2].text


def test_a_first_model_that_fails_leaves_nothing_running(publisher: Publisher) -> None:
    publisher.publish(compiled_model("CRASH"))
    assert "nothing runs" in refusal(settings(publisher))
    report = report_of(publisher)
    assert (report.running, report.slot.state) == (None, "failed")


@pytest.mark.parametrize(
    ("library", "sentence"),
    [
        (b"\x7fELF" + bytes(500), "cannot be loaded"),
        (b"#!/bin/sh\n", "cannot be loaded"),
        (b"", "cannot be loaded"),
        (GOOD.library[: len(GOOD.library) // 2], "cannot be loaded|crashed"),
        (compiled_model(contract=contract_bytes(rate_hz=99.0)).library, "was made for contract"),
    ],
)
def test_bytes_that_are_no_model_for_this_contract(publisher: Publisher, library: bytes, sentence: str) -> None:
    publisher.publish(GOOD.but(library=library))
    with pytest.raises(RemoteError, match=sentence):
        run_agent(settings(publisher))


def test_golden_vectors_of_another_model(publisher: Publisher) -> None:
    publisher.publish(GOOD.but(golden=b"TOG1" + bytes(30)))
    assert "golden vectors: 34 bytes do not hold" in refusal(settings(publisher))


def test_a_contract_that_does_not_match_is_refused_by_name(publisher: Publisher, recording: Path) -> None:
    own = publisher.root / "contract.json"
    own.write_bytes(GOOD.contract)
    publisher.publish(compiled_model(contract=contract_bytes(rate_hz=25.0)))
    message = refusal(settings(publisher, contract=own))
    assert "does not match this device: input.rate_hz: 10.0 here, 25.0 offered" in message
    publisher.publish(compiled_model(contract=contract_bytes(channels=["gx", "ay"])))
    message = refusal(settings(publisher, replay=recording))
    assert "no column gx: the contract wants gx, ay, the recording has ay, ax, note" in message
    report = report_of(publisher)
    assert report.running is None
    assert report.last_update is not None
    assert report.last_update.result == "refused"


def test_a_broken_recording_is_not_the_models_fault(publisher: Publisher, recording: Path) -> None:
    publisher.publish(GOOD)
    recording.write_text("ax,ay\n1,1\n1,nan\n")
    assert "walk.csv:3: column 2 is nan" in refusal(settings(publisher, replay=recording), ToolError)
    report = report_of(publisher)
    assert runs(report, GOOD.library)
    assert (report.slot.state, report.health.errors) == ("confirmed", 1)
    missing = settings(publisher, replay=recording.with_name("none.csv"))
    assert "cannot be read" in refusal(missing, ToolError)


def test_a_model_that_takes_tensors_only_is_proven_but_not_replayed(publisher: Publisher, recording: Path) -> None:
    unknown = contract_bytes(channels=None, units=None, full_scale=None, frame_values=0)
    publisher.publish(compiled_model(contract=unknown))
    assert runs(run_agent(settings(publisher)), compiled_model(contract=unknown).library)
    assert "takes no frames of a known signal" in refusal(settings(publisher, replay=recording), ToolError)


# -- what cannot be trusted ------------------------------------------------------------------------


def test_a_wrong_signature_is_refused(publisher: Publisher) -> None:
    publisher.publish(GOOD)
    publisher.trust_file.write_bytes(SigningKey.generate().public.to_pem())
    assert "0 of 1 trusted signatures are right" in refusal(settings(publisher))
    assert report_of(publisher).running is None


@pytest.mark.parametrize("suffix", [".so", "golden.bin", "contract.json"])
def test_an_altered_asset_is_refused_and_the_old_one_runs_on(publisher: Publisher, suffix: str) -> None:
    wanted = settings(publisher)
    publisher.publish(GOOD)
    run_agent(wanted)
    publisher.publish(compiled_model(bias=40, contract=contract_bytes(rate_hz=20.0)))
    path = next((publisher.store.root / "v2").glob(f"*{suffix}"))
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert "was altered" in refusal(wanted)
    report = report_of(publisher)
    assert runs(report, GOOD.library)
    assert report.last_update is not None
    assert report.last_update.result == "refused"
    path.write_bytes(good)
    assert run_agent(wanted).slot.state == "confirmed"


def test_an_older_release_is_a_rollback_attack(publisher: Publisher) -> None:
    wanted = settings(publisher)
    for model in (GOOD, NEWER):
        publisher.publish(model)
        run_agent(wanted)
    link = publisher.store.root / "latest"
    link.unlink()
    link.symlink_to("v1")
    assert "release v1 is older than v2, accepted before: a rollback attack" in refusal(wanted)
    assert runs(report_of(publisher), NEWER.library)
    link.unlink()
    link.symlink_to("v2")
    report = run_agent(wanted)
    assert report.last_update is not None
    assert (report.problem, report.last_update.result) == (None, "installed")


def test_a_release_that_was_only_seen_counts_as_accepted(publisher: Publisher) -> None:
    """Its model failed, but its version was verified: an older one may not come back as the newest."""
    wanted = settings(publisher)
    publisher.publish(GOOD)
    publisher.publish(compiled_model("WRONG"))
    refusal(wanted)
    link = publisher.store.root / "latest"
    link.unlink()
    link.symlink_to("v1")
    assert "rollback attack" in refusal(wanted)


def test_a_lower_security_counter_is_refused(publisher: Publisher) -> None:
    wanted = settings(publisher)
    publisher.publish(GOOD, counter=5)
    run_agent(wanted)
    publisher.publish(NEWER, counter=4)
    assert "security counter 4 is below 5" in refusal(wanted)
    assert runs(report_of(publisher), GOOD.library)


@pytest.mark.parametrize(("field", "value"), [("fleet", "ankle"), ("board", "pi4")])
def test_another_fleets_or_boards_entry_is_refused(publisher: Publisher, field: str, value: str) -> None:
    """A server that hands out the right signature for the wrong device."""
    publisher.publish(GOOD)
    names = {"fleet": "wrist", "board": "linux", field: value}
    entry = publisher.store.root / "latest" / f"entry-{names['fleet']}-{names['board']}.json"
    entry.write_bytes((publisher.store.root / "latest" / ENTRY).read_bytes())
    assert f"is for {field} " in refusal(settings(publisher, **{field: value}))


def test_an_expired_entry_stops_updates_never_inference(publisher: Publisher, recording: Path) -> None:
    wanted = settings(publisher, replay=recording)
    publisher.publish(GOOD)
    before = run_agent(wanted)
    publisher.publish(NEWER, expires="2001-01-01T00:00:00Z")
    assert "release v2 expired" in refusal(wanted)
    report = report_of(publisher)
    assert runs(report, GOOD.library)
    assert report.health.inferences == before.health.inferences * 2


# -- what breaks -----------------------------------------------------------------------------------

# In the order in which an agent fetches: what it has of a release it does not fetch again.
SERVER_FAULTS: dict[str, tuple[str, Fault]] = {
    "500 on the entry": ("latest", web.status(500)),
    "HTML entry": ("latest", web.html),
    "truncated entry": ("latest", web.truncated),
    "endless entry": ("latest", web.endless),
    "redirect loop": ("latest", web.redirect("/latest/" + ENTRY)),
    "slow entry": ("latest", web.dripping),
    "truncated contract": ("contract", web.truncated),
    "altered contract": ("contract", web.altered),
    "altered golden": ("golden.bin", web.altered),
    "short golden": ("golden.bin", web.shortened),
    "500 on the model": ("model.so", web.status(500)),
    "truncated model": ("model.so", web.truncated),
    "short model": ("model.so", web.shortened),
    "long model": ("model.so", web.lengthened),
    "altered model": ("model.so", web.altered),
    "HTML model": ("model.so", web.html),
    "endless model": ("model.so", web.endless),
    "compressed model": ("model.so", web.compressed),
}


@pytest.fixture
def server(publisher: Publisher) -> Iterator[FakeServer]:
    publisher.store.root.mkdir(parents=True)
    with serving(publisher.store.root) as running:
        yield running


def test_whatever_the_server_does_the_old_model_runs_and_the_next_poll_carries_on(
    publisher: Publisher, server: FakeServer
) -> None:
    wanted = settings(publisher, store=server.url, timeout_s=1.0)
    publisher.publish(GOOD)
    run_agent(wanted)
    publisher.publish(compiled_model(bias=40, contract=contract_bytes(rate_hz=20.0)))
    for name, (part, fault) in SERVER_FAULTS.items():
        server.faults = {part: fault}
        assert refusal(wanted), name
        report = report_of(publisher)
        assert runs(report, GOOD.library), name
        assert report.problem, name
    server.faults = {}
    report = run_agent(wanted)
    assert (report.slot.state, report.problem) == ("confirmed", None)
    assert report.running is not None
    assert report.running.version == 2
    for name in SERVER_FAULTS:
        count_faults(f"answers of a server of releases: {name}", 1)


def test_a_damaged_slot_is_left_for_the_other_and_fetched_again(publisher: Publisher) -> None:
    wanted = settings(publisher)
    for model in (GOOD, NEWER):
        publisher.publish(model)
        run_agent(wanted)
    library = publisher.root / "state" / "slots" / "b" / "model.so"
    library.write_bytes(b"rust")
    offline = settings(publisher, store=str(publisher.root / "nowhere"))
    assert "cannot be read" in refusal(offline)
    report = report_of(publisher)
    assert runs(report, GOOD.library)
    assert report.slot.state == "reverted"
    assert runs(run_agent(wanted), NEWER.library)
    for slot in "ab":
        (publisher.root / "state" / "slots" / slot / "model.so").write_bytes(b"rust")
    refusal(offline)
    assert (report_of(publisher).running, report_of(publisher).slot.state) == (None, "failed")
    assert runs(run_agent(wanted), NEWER.library)


def test_reports_that_cannot_be_written_are_an_error_of_their_own(publisher: Publisher) -> None:
    publisher.publish(GOOD)
    (publisher.root / "reports").write_text("a file in the way")
    assert "cannot be written" in refusal(settings(publisher), ToolError)
    sealed = (publisher.root / "state" / "report.json").read_bytes()
    assert runs(read_report(sealed, where="x"), GOOD.library)


def test_two_agents_do_not_share_a_state(publisher: Publisher) -> None:
    publisher.publish(GOOD)
    with only_agent(publisher.root / "state"), pytest.raises(Leased) as caught:
        run_agent(settings(publisher))
    assert caught.value.exit_code == ExitCode.LEASED


def test_the_loop_updates_by_itself_and_ends_when_asked(publisher: Publisher) -> None:
    publisher.publish(GOOD)
    stop, events = threading.Event(), []

    def watch(event: str) -> None:
        events.append(event)
        if "runs from slot a" in event:
            publisher.publish(NEWER)
        if "runs from slot b" in event:
            stop.set()

    report = run_agent(settings(publisher, once=False, interval_s=0.01), on_event=watch, stop=stop)
    assert runs(report, NEWER.library)


def test_ctrl_c_between_polls_is_a_clean_end(publisher: Publisher) -> None:
    publisher.publish(GOOD)

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    report = run_agent(settings(publisher, once=False), stop=Interrupted())
    assert runs(report, GOOD.library)


def test_an_agent_survives_a_kill_at_every_step(publisher: Publisher, recording: Path) -> None:
    """At each file operation below its state: a whole model runs after, and the next poll ends in the new one."""
    trusted = Trusted(publisher.root / "metadata", clock=datetime.now(UTC))
    root = publisher.root / "root.json"
    root.write_bytes(trusted.roots[0])
    by_tuf: dict[str, Any] = {"replay": recording, "root": root, "trust": None}
    wanted = settings(publisher, **by_tuf, metadata=str(trusted.root))
    nowhere = str(publisher.root / "nowhere")
    offline = settings(publisher, **by_tuf, store=nowhere, metadata=nowhere)
    state = publisher.root / "state"

    def release(model: FakeModel, version: int) -> None:
        publisher.publish(model)
        trusted.release({ENTRY: (publisher.store.root / "latest" / ENTRY).read_bytes()}, version)

    release(GOOD, 1)
    run_agent(wanted)
    saved = _snapshot(state)
    release(NEWER, 2)
    step, kept, sequence = 1, 0, report_of(publisher).sequence
    while cut_at(lambda: run_agent(wanted), state, step):
        refusal(offline)  # what a device without a network does after the power came back
        report = report_of(publisher)
        assert runs(report, GOOD.library) or runs(report, NEWER.library)
        assert report.health.inferences >= 5
        assert report.sequence > sequence
        kept += runs(report, GOOD.library)
        report = run_agent(wanted)
        assert runs(report, NEWER.library)
        assert report.slot.state == "confirmed"
        left = {p.name for p in (state / "slots").rglob("*") if p.is_file()}
        assert left == {"model.so", "golden.bin", "contract.json"}
        _restore(state, saved)
        step += 1
    count_faults("kills at a step of an agent's update on disk", step - 1)
    assert step > 20
    assert 0 < kept < step - 1


def in_child(work: Callable[[], object]) -> int:
    """Runs the work in a forked process; its exit status, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except TinyopsError as error:
            status = error.exit_code
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_model_that_takes_the_agent_down_is_given_up_in_the_end(publisher: Publisher) -> None:
    wanted = settings(publisher)
    publisher.publish(GOOD)
    run_agent(wanted)
    publisher.publish(compiled_model("KILL_AGENT"))
    ends = [in_child(lambda: run_agent(wanted)) for _ in range(3)]
    assert ends == [-signal.SIGKILL] * 3
    assert "did not come to an end 3 times" in refusal(wanted)
    assert runs(report_of(publisher), GOOD.library)
    assert run_agent(wanted).slot.state == "reverted"


def test_a_full_disk_keeps_the_old_model_and_is_tried_again(publisher: Publisher, recording: Path) -> None:
    """The kernel refuses to write more than 64 KB to a file; the model is larger."""
    wanted = settings(publisher, replay=recording)
    publisher.publish(GOOD)
    run_agent(wanted)
    large = NEWER.but(library=NEWER.library + bytes(200_000))
    publisher.publish(large)

    def update() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        run_agent(wanted)

    assert in_child(update) == ExitCode.TOOL
    report = report_of(publisher)
    assert runs(report, GOOD.library)
    assert report.problem is not None
    assert "slots/b/model.so: cannot be written: File too large" in report.problem
    assert {p.name for p in (wanted.state / "slots" / "b").iterdir()} <= {"contract.json", "golden.bin"}
    assert runs(run_agent(wanted), large.library)
    count_faults("disks of an agent that were full", 1)


def test_the_loop_outlives_a_disk_that_takes_nothing(publisher: Publisher) -> None:
    publisher.publish(GOOD)
    state, aside = publisher.root / "state" / "state.json", publisher.root / "aside"
    events: list[str] = []

    class Days(threading.Event):
        number = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.number += 1
            if self.number == 1:
                state.rename(aside)
                state.mkdir()  # nothing can be renamed onto a folder, not even by root
            elif self.number == 2:
                state.rmdir()
                aside.rename(state)
                publisher.publish(NEWER)
            return self.number == 3

    report = run_agent(settings(publisher, once=False), on_event=events.append, stop=Days())
    assert any("state.json: cannot be written" in event for event in events)
    assert runs(report, NEWER.library)


def _snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _restore(folder: Path, files: dict[Path, bytes]) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path not in files:
            path.unlink()
    for path, content in files.items():
        path.write_bytes(content)


def test_results_of_the_confirmed_model_go_where_its_signed_entry_says(publisher: Publisher, recording: Path) -> None:
    wanted = settings(publisher, replay=recording)
    with serving(publisher.root) as server:
        publisher.publish(compiled_model("CRASH_IN_PREPARE"), post=f"{server.url}/plant")
        refusal(wanted)
        assert server.taken == [], "nothing of a trial is posted"
        publisher.publish(GOOD, post=f"{server.url}/plant")
        report = run_agent(wanted)
        again = run_agent(wanted)
    assert (report.health.inferences, report.health.posted, report.health.unposted) == (5, 5, 0)
    assert (again.health.inferences, again.health.posted) == (10, 10)
    assert [result["sequence"] for result in server.taken] == list(range(10))
    assert [result["label"] for result in server.taken[:5]] == ["up", "up", "down", "down", "down"]
    assert {(r["device"], r["board"], r["fleet"], r["model"]) for r in server.taken} == {
        ("pi-7", "linux", "wrist", digest_bytes(GOOD.library))
    }
    assert all(len(result["scores"]) == 2 for result in server.taken)


def test_a_server_that_is_not_there_costs_results_and_no_inference(publisher: Publisher, recording: Path) -> None:
    with serving(publisher.root) as server:
        gone = server.url
    publisher.publish(GOOD, post=gone)
    events: list[str] = []
    report = run_agent(settings(publisher, replay=recording, replay_timeout_s=2.0), on_event=events.append)
    assert report.slot.state == "confirmed" and report.problem is None
    assert (report.health.inferences, report.health.posted, report.health.unposted) == (5, 0, 5)
    assert "0 of 5 results posted: cannot be reached: Connection refused" in events
