"""A release brings a part of a chain another program: one that does not stay is left for the one before."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes.chained import layered
from fakes.models import FakeModel, compiled_model, contract_bytes
from fakes.part_programs import build_parts
from fakes.ports import free_port
from fakes.power import cut_at
from fakes.releases import Publisher
from tinyops.compiler import CompileOptions, compile_model
from tinyops.compiler.host import HostModel, build_host
from tinyops.device import kept_running, records
from tinyops.device.agent import Agent
from tinyops.device.settings import AgentSettings, PartSettings
from tinyops.errors import ToolError
from tinyops.features import RawFeatures
from tinyops.graph import parse_graph
from tinyops.link import Link
from tinyops.manifest.report import DeviceReport
from tinyops.twin.machine import SocketStream

pytestmark = pytest.mark.build

STAYS = b'#!/bin/sh\necho a >"$2/stands"\nexec sleep 1000 # '
ENDS = b'#!/bin/sh\necho a >"$2/stands"\necho no such library >&2\nexit 3\n'
HANGS = b"#!/bin/sh\nexec sleep 1000 # says nothing\n"
OTHER = contract_bytes(rate_hz=20.0)
WAIT_S = 30.0
NAP_S = 0.05


class Machine:
    """An agent of a part, and the releases that it follows."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher, self.halt = publisher, threading.Event()
        self.state = publisher.root / "state"
        self.state.mkdir(parents=True)
        self.said: list[str] = []
        self.settings = AgentSettings(
            store=str(publisher.store.root),
            fleet="wrist",
            board="linux",
            device="pi-7",
            state=self.state,
            trust=publisher.trust_file,
            chain="hall",
            part=PartSettings("tcp-listen:127.0.0.1:1"),
        )
        self.agent = Agent(self.settings, self.said.append)

    def restart(self) -> None:
        self.agent.close()
        self.agent = Agent(self.settings, self.said.append)

    def poll(self) -> DeviceReport:
        return self.agent.poll().report

    def follow(self, model: FakeModel, **more: int) -> DeviceReport:
        """A release, and what came of it."""
        self.publisher.publish(model, **more)
        assert self.poll().slot.state in ("trial", "confirmed"), self.said
        return self.judged()

    def judged(self) -> DeviceReport:
        if self.agent.client.state.program is not None:
            self.agent.rest(self.halt, WAIT_S)
        return self.poll()

    def program(self) -> bytes:
        """What runs, as a file of the slot that runs."""
        started = self.agent.client.part()
        assert started is not None and not started.on_trial
        return started.program.read_bytes()

    def chain_commits(self, slot: str) -> None:
        """As its program does."""
        (self.state / "slots/runs").write_text(f"{slot}\n")
        (self.state / "slots/wanted").unlink()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name, value in {"FIRST_DELAY_S": 0.01, "STEADY_S": 0.6, "STANDS_WITHIN_S": 0.5, "LOOK_S": 0.02}.items():
        monkeypatch.setattr(kept_running, name, value)
    made = Machine(Publisher(tmp_path))
    yield made
    made.agent.close()


@pytest.mark.parametrize(
    ("bad", "why"), [(ENDS, "status 3: no such library"), (HANGS, "has not told its state")], ids=["ends", "hangs"]
)
def test_a_program_for_the_same_model_is_left_for_the_one_before(machine: Machine, bad: bytes, why: str) -> None:
    model = compiled_model()
    assert machine.follow(model.but(program=STAYS + b"one")).slot.state == "confirmed"
    report = machine.follow(model.but(program=bad), counter=1)
    last = report.last_update
    assert report.slot.state == "reverted" and last is not None and (last.version, last.result) == (2, "reverted")
    assert why in last.reason and "3 times in a row" in last.reason and report.problem is not None
    assert report.running is not None and (report.running.version, report.running.security_counter) == (1, 0)
    assert machine.program() == STAYS + b"one"
    polls = len(machine.said)
    assert machine.poll().slot.state == "reverted"
    assert any("waiting for another release" in line for line in machine.said[polls:])
    machine.restart()
    assert machine.poll().slot.state == "reverted" and machine.program() == STAYS + b"one"
    report = machine.follow(model.but(program=STAYS + b"three"), counter=1)
    assert report.slot.state == "confirmed" and machine.program() == STAYS + b"three"
    assert report.running is not None and (report.running.version, report.running.security_counter) == (3, 1)


def test_the_chains_new_model_stays_under_the_program_before(machine: Machine) -> None:
    machine.follow(compiled_model().but(program=STAYS + b"one"))
    newer = compiled_model(bias=40)
    machine.publisher.publish(newer.but(program=ENDS))
    assert machine.poll().slot.state == "trial"
    machine.chain_commits("b")
    assert machine.poll().slot.state == "trial"
    report = machine.judged()
    assert report.slot.state == "reverted" and report.running is not None and report.running.version == 2
    started = machine.agent.client.part()
    assert started is not None and started.program.parent.name == "b" and machine.program() == STAYS + b"one"
    assert machine.follow(newer.but(program=STAYS + b"three")).slot.state == "confirmed"
    assert machine.program() == STAYS + b"three"


def test_another_contract_goes_back_with_its_model(machine: Machine) -> None:
    machine.follow(compiled_model().but(program=STAYS + b"one"))
    other = compiled_model(bias=40, contract=OTHER)
    report = machine.follow(other.but(program=HANGS), counter=3)
    assert report.slot.state == "reverted" and report.running is not None and report.running.version == 1
    assert (machine.state / "slots/runs").read_text() == "a\n" and machine.program() == STAYS + b"one"
    assert machine.agent.client.state.security_counter == 0
    report = machine.follow(other.but(program=STAYS + b"three"), counter=3)
    assert report.slot.state == "confirmed" and machine.agent.client.state.security_counter == 3


def test_a_program_that_takes_the_agent_down_ends_too(machine: Machine) -> None:
    machine.follow(compiled_model().but(program=STAYS + b"one"))
    machine.publisher.publish(compiled_model().but(program=STAYS + b"two"))
    assert machine.poll().slot.state == "trial"
    for _ in range(2):
        machine.restart()
        assert machine.agent.client.state.program is not None
    machine.restart()
    assert machine.program() == STAYS + b"one"
    last = machine.poll().last_update
    assert last is not None and "takes the agent or the machine down" in last.reason


def test_a_bad_program_whose_one_before_is_damaged_gives_way_to_another_release(machine: Machine) -> None:
    model = compiled_model()
    machine.follow(model.but(program=STAYS + b"one"))
    before = machine.agent.client.part()
    machine.publisher.publish(model.but(program=ENDS))
    assert machine.poll().slot.state == "trial" and before is not None
    before.program.write_bytes(b"not it")
    report = machine.judged()
    assert report.last_update is not None and "the one before is damaged" in report.last_update.reason
    assert machine.follow(model.but(program=STAYS + b"three")).slot.state == "confirmed"
    assert machine.program() == STAYS + b"three"


def test_a_verdict_that_cannot_be_written_down_is_no_reason_to_poll_at_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.follow(compiled_model().but(program=STAYS + b"one"))
    machine.publisher.publish(compiled_model().but(program=ENDS))
    assert machine.poll().slot.state == "trial"
    machine.agent.rest(machine.halt, WAIT_S)
    with monkeypatch.context() as full:
        full.setattr(records, "save_state", _no_room)
        with pytest.raises(ToolError, match="no room"):
            machine.agent.poll()
        waited: list[float | None] = []
        full.setattr(machine.halt, "wait", lambda seconds=None: waited.append(seconds) or True)
        assert machine.agent.rest(machine.halt, WAIT_S) and waited
    assert machine.poll().slot.state == "reverted" and machine.program() == STAYS + b"one"


def _no_room(*_: object) -> None:
    raise ToolError("no room")


def test_a_trial_that_no_agent_ends_is_over_without_a_part_and_is_said_with_once(machine: Machine) -> None:
    machine.follow(compiled_model().but(program=STAYS + b"one"))
    machine.publisher.publish(compiled_model().but(program=STAYS + b"two"), counter=1)
    assert machine.poll().slot.state == "trial"
    settings = machine.settings
    machine.settings = replace(settings, once=True)
    machine.restart()
    machine.publisher.publish(compiled_model(bias=40).but(program=STAYS + b"two"))
    assert machine.poll().slot.state == "trial" and any("no release is taken" in line for line in machine.said)
    machine.settings = replace(settings, part=None, chain=None)
    machine.restart()
    assert machine.agent.client.state.security_counter == 0
    report = machine.poll()
    assert report.running is not None and report.running.version == 3 and report.slot.state == "confirmed"
    assert machine.agent.client.state.security_counter == 1


def test_power_fails_at_every_step_of_taking_a_program_and_of_leaving_it(machine: Machine) -> None:
    """Where a model of another contract comes with it, both slots and the marks change."""
    machine.follow(compiled_model().but(program=STAYS + b"one"))
    machine.publisher.publish(compiled_model(bias=40).but(program=ENDS))
    machine.poll()
    machine.chain_commits("b")
    _survives(machine, attempts=1, version=2)  # the chain runs the new model: its program begins
    machine.agent.close()
    shutil.rmtree(machine.state)
    machine.state.mkdir()
    machine.restart()
    machine.follow(compiled_model().but(program=STAYS + b"one"))
    machine.publisher.publish(compiled_model(bias=40, contract=OTHER).but(program=ENDS))
    machine.poll()
    _survives(machine, attempts=3, version=3)


def _survives(machine: Machine, attempts: int, version: int) -> None:
    """From here, with power cut at every step of the agent's next start: what runs then is the program before."""
    client = machine.agent.client
    machine.agent.close()
    if client.state.program is not None:
        client.save(program=client.state.program.model_copy(update={"attempts": attempts}))
    saved = machine.state.with_name("saved")
    shutil.copytree(machine.state, saved)
    step = 1
    while cut_at(lambda: Agent(machine.settings, print), machine.state, step):
        machine.restart()
        for _ in range(4):
            report = machine.poll()
            if report.slot.state == "reverted":
                break
            machine.judged()
        assert report.slot.state == "reverted" and report.running is not None, machine.said[-9:]
        assert report.running.version == version and machine.program() == STAYS + b"one"
        machine.agent.close()
        shutil.rmtree(machine.state)
        shutil.copytree(saved, machine.state)
        step += 1
    shutil.rmtree(saved)
    assert step > 4


def test_real_programs_stand_or_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program of a part, as its firmware step builds it, and one of which only the beginning is right."""
    monkeypatch.setattr(kept_running, "STEADY_S", 1.0)
    monkeypatch.setattr(kept_running, "FIRST_DELAY_S", 0.01)
    part = build_parts(layered(), [2], tmp_path, 500)[0]
    given = bytes(range(64))
    whole = HostModel(part.library)
    whole.init()
    made = whole.infer(np.frombuffer(given, np.uint8)[None]).tobytes()
    golden = struct.pack("<4sIII", b"TOG1", 1, len(given), len(made)) + given + made
    program = part.program.read_bytes()
    model = FakeModel(part.library.read_bytes(), golden, part.contract_bytes, program)
    machine = Machine(Publisher(tmp_path / "releases"))
    machine.agent.close()
    settings = {**vars(machine.settings), "part": PartSettings(f"tcp-listen:127.0.0.1:{free_port()}")}
    machine.settings = AgentSettings(**settings)
    machine.agent = Agent(machine.settings, machine.said.append)
    with contextlib.closing(machine.agent):
        assert machine.follow(model).slot.state == "confirmed"
        deadline = time.monotonic() + WAIT_S
        while not (machine.state / "slots/stands").exists():
            assert time.monotonic() < deadline, machine.said
            time.sleep(NAP_S)
        report = machine.follow(model.but(program=program + b"\n"))  # bytes behind it change nothing
        assert report.slot.state == "confirmed" and machine.program() == program + b"\n"
        report = machine.follow(model.but(program=program[:4096] + os.urandom(len(program) - 4096)))
        assert report.slot.state == "reverted" and machine.program() == program + b"\n"


def test_frames_of_a_pipe_are_answered_at_the_end_of_the_chain(tmp_path: Path) -> None:
    """What is written into the pipe of a first part's agent comes out as the whole model's results."""
    features = RawFeatures(16, 4, 4, (0,), (0.01,))
    first, last = build_parts(layered(), [2], tmp_path, 800, features)
    whole = HostModel(
        build_host(compile_model(parse_graph(layered(), "m"), features, CompileOptions()).sources, tmp_path / "whole")
    )
    given = bytes(64)
    own = HostModel(first.library).infer(np.frombuffer(given, np.uint8)[None]).tobytes()
    golden = struct.pack("<4sIII", b"TOG1", 1, len(given), len(own)) + given + own
    machine, port = Machine(Publisher(tmp_path / "releases")), free_port()
    machine.agent.close()
    pipe = tmp_path / "frames"
    settings = {**vars(machine.settings), "part": PartSettings(f"tcp-listen:127.0.0.1:{port}", pipe=str(pipe))}
    machine.settings = AgentSettings(**settings)
    machine.agent = Agent(machine.settings, machine.said.append)
    ours, theirs = socket.socketpair()
    with contextlib.closing(machine.agent), contextlib.closing(ours):
        model = FakeModel(first.library.read_bytes(), golden, first.contract_bytes, first.program.read_bytes())
        assert machine.follow(model).slot.state == "confirmed"
        options = ["--upstream", f"tcp:127.0.0.1:{port}", "--line", f"fd:{theirs.fileno()}"]
        command = [str(last.program), "--model", str(last.library), *options]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()
        try:
            link = Link(SocketStream(ours, "last"), name="last")
            for number in range(3):  # each time by another program, as far as the pipe goes
                frames = np.random.default_rng(number).integers(-20000, 20000, (4, 16)).astype("<i2")
                assert _result(link, pipe, frames) == _expected(whole, frames)
        finally:
            child.kill()
            child.wait()


def _expected(whole: HostModel, frames: np.ndarray) -> bytes:
    assert [whole.push(frame) for frame in frames][-1] == 1
    assert whole.prepare() == whole.invoke() == 0
    return whole.output()


def _result(link: Link, pipe: Path, frames: np.ndarray) -> bytes:
    """Written until there is one: while parts have not all told each other who they are, there is none."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        with pipe.open("wb") as stream:
            stream.write(frames.tobytes())
        again = time.monotonic() + 1.0
        while time.monotonic() < again:
            link.listen(NAP_S)
            if results := link.results():
                return bytes(results[-1].values)
    raise AssertionError("no result")
