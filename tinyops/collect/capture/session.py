"""The takes of one sitting: begun and ended by a person's keys, by limits, or by what befalls the device.

Whatever ends a take, what was recorded is kept.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinyops.collect.capture.block import Block
from tinyops.collect.capture.finishing import Destination, Kept, finish
from tinyops.collect.capture.interrupts import deferred
from tinyops.collect.capture.journal import Heading, Journal
from tinyops.collect.capture.recording import FULL, Limit, Recording, View
from tinyops.collect.capture.source import Source
from tinyops.collect.capture.wanted import Wanted
from tinyops.collect.capture.ways.kind import StreamEnded
from tinyops.datasets.removing import remove_recording
from tinyops.datasets.take import Clock, TakeFacts
from tinyops.errors import SpecError, TinyopsError, ToolError
from tinyops.link.client import LinkClosed, LinkError, LinkTimeout
from tinyops.specs.model import DatasetSpec

POLL_S = 0.05
SHOW_S = 0.125
SILENCE_S = 5.0
SILENT_FRAMES = 5


class Act(Enum):
    """What a person's key means."""

    TOGGLE = "start or stop"
    PAUSE = "pause"
    RETAKE = "retake"
    LABEL = "label"
    QUIT = "quit"


class Operator(Protocol):
    """Who records: a person at a terminal, or nobody, and then takes begin by themselves."""

    present: bool

    def act(self) -> Act | None:
        """What was asked for since the last call."""

    def show(self, view: View | None, state: str) -> None:
        """Called often; `view` is None between takes."""

    def ask_label(self, label: str) -> str:
        """Another label, judged already; the same when the person changes nothing."""

    def kept(self, kept: Kept) -> None:
        """A take lies in the dataset."""

    def say(self, text: str) -> None:
        """Something to know."""


@dataclass(frozen=True)
class _End:
    """How a recording ended: by `act`, by itself (None), or by `failure`. `full`: another goes on with its take."""

    act: Act | None = None
    failure: BaseException | None = None
    full: bool = False


class Session:
    """Runs takes until there are enough; `kept` lists those in the dataset."""

    def __init__(
        self, source: Source, destination: Destination, wanted: Wanted, spec: DatasetSpec, operator: Operator
    ) -> None:
        self.kept: list[Kept] = []
        self._done = 0  # takes that are over and were not dropped
        self._shown_s = 0.0
        self._source = source
        self._destination = destination
        self._wanted = wanted
        self._signal = spec.signal
        self._operator = operator
        rate = self._signal.rate_hz
        self._silence_s = max(SILENCE_S, SILENT_FRAMES / rate if rate else 4 * SILENCE_S)

    def run(self) -> None:
        """Raises LinkError when the device is gone, KeyboardInterrupt, ToolError for a full disk: after what was
        recorded is kept."""
        while self._wanted.count is None or self._done < self._wanted.count:
            if not self._wait():
                return
            name = self._name()
            act = self._takes(name)
            if act is Act.RETAKE:
                self._drop(name)
                self._operator.say("dropped; ready for another")
                continue
            self._done += 1
            if act is Act.QUIT or (not self._operator.present and self._wanted.seconds is None):
                return

    def _wait(self) -> bool:
        """Until a take shall begin; False: none shall."""
        while self._operator.present:
            self._operator.show(None, "ready")
            act = self._operator.act()
            if act is Act.TOGGLE:
                return True
            if act is Act.QUIT:
                return False
            if act is Act.RETAKE:
                self._drop_last()
            elif act is Act.LABEL:
                self._wanted = replace(self._wanted, label=self._operator.ask_label(self._wanted.label))
            self._source.skip(POLL_S)
        return True

    def _takes(self, name: str) -> Act | None:
        """One take: one recording, and another after each pause and when one is full."""
        left = self._wanted.seconds
        while True:
            begun = time.monotonic()
            end = self._one(name, left)
            if end.act is not Act.PAUSE and not end.full:
                return end.act
            left = None if left is None else max(left - (time.monotonic() - begun), 0.0)
            if left == 0.0:
                return None
            if not end.full and (act := self._paused()) is not None:
                return act

    def _paused(self) -> Act | None:
        """Until it goes on; else what ends the take."""
        while True:
            self._operator.show(None, "paused")
            act = self._operator.act()
            if act is Act.PAUSE or act is Act.TOGGLE:
                return None
            if act is Act.QUIT or act is Act.RETAKE:
                return act
            self._source.skip(POLL_S)

    def _one(self, name: str, seconds: float | None) -> _End:
        """One recording. Raises what ended it, if that was a failure, after it is kept."""
        self._source.begin()
        heading = self._heading(name)
        journal = Journal(self._destination.journals, heading)
        recording = Recording(journal, heading, self._limit(seconds))
        end = self._record(recording)
        if end.act is Act.RETAKE:
            self._stop(recording)
            journal.remove()
            return end
        try:
            if not isinstance(end.failure, LinkClosed | OSError):
                self._stop(recording)
        finally:
            self._keep(recording, end.failure)
        if end.failure is not None and not self._is_natural(end.failure, seconds):
            raise end.failure
        return _End(Act.QUIT) if end.failure is not None else end

    def _is_natural(self, failure: BaseException, seconds: float | None) -> bool:
        return isinstance(failure, StreamEnded) and (seconds is None or not self._source.traits.live)

    def _record(self, recording: Recording) -> _End:
        try:
            with deferred() as stopping:
                while not recording.ended:
                    act = self._step(recording)
                    if stopping():
                        return _End(None, KeyboardInterrupt())
                    if act is not None:
                        return _End(act)
        except (TinyopsError, KeyboardInterrupt) as failure:
            return _End(None, failure)
        return _End(full=recording.ended == FULL)

    def _step(self, recording: Recording) -> Act | None:
        """What has come is recorded, what has been asked for returned."""
        blocks = [recording.add(block) for block in self._source.poll(POLL_S)]
        self._source.give_back([block for block in blocks if block is not None])
        now = time.monotonic()
        recording.tick()
        self._heed_silence(recording, now)
        if now - self._shown_s >= SHOW_S:
            self._operator.show(recording.view(), "recording")
            self._shown_s = now
        act = self._operator.act()
        if act is Act.LABEL:
            self._operator.say("a take's label changes between takes, or in the index")
        return None if act is Act.LABEL else act

    def _heed_silence(self, recording: Recording, now: float) -> None:
        if self._source.traits.live and now - recording.last_s > self._silence_s:
            raise LinkTimeout(
                f"{self._source.name}: sent no frames for {now - recording.last_s:.0f} s",
                hint="is it on, and does its sensor measure?",
            )

    def _stop(self, recording: Recording) -> None:
        """What was under way still belongs to the take; a device that says nothing more changes nothing."""
        try:
            blocks, missing = self._source.end()
        except LinkError as error:
            self._operator.say(f"the device did not end the take: {error.message}")
            return
        for block in blocks:
            recording.add(block)
        if missing and recording.frames:
            none = Block(_no_frames(recording), recording.last_s, missing)
            recording.add(none)

    def _keep(self, recording: Recording, failure: BaseException | None) -> None:
        """Raises ToolError naming the journal when its take cannot be written."""
        journal = recording.journal
        journal.close()
        try:
            kept = finish(journal.path, self._destination)
        except (ToolError, SpecError) as error:
            if failure is not None and not isinstance(failure, KeyboardInterrupt):
                self._operator.say(f"the take ended early: {getattr(failure, 'message', failure)}")
            raise ToolError(
                f"{error.message}; the take's {recording.frames:,} frames are safe in {journal.path}",
                hint="free some space and record again: the take is recovered first",
            ) from error
        journal.remove()
        if kept is None:
            self._operator.say("nothing came: there is no take")
            return
        kept = replace(kept, notes=(*kept.notes, *self._source.dialect.tally.lines()))
        self.kept.append(kept)
        self._operator.kept(kept)

    def _drop_last(self) -> None:
        if not self.kept:
            self._operator.say("there is no take to drop")
            return
        name = self.kept[-1].entry.take
        self._drop(name)
        self._done -= 1
        self._operator.say(f"dropped take {name}")

    def _drop(self, name: str) -> None:
        """Every recording of a take: pauses make several."""
        for kept in [kept for kept in self.kept if kept.entry.take == name]:
            self.kept.remove(kept)
            remove_recording(self._destination.index, kept.entry.sha256, self._destination.objects)

    def _name(self) -> str:
        if not self._wanted.take:
            return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        several = self._operator.present or (self._wanted.count or 1) > 1
        return f"{self._wanted.take}-{self._done + 1}" if several else self._wanted.take

    def _limit(self, seconds: float | None) -> Limit:
        rate = self._source.facts.rate_hz or self._signal.rate_hz
        by_frames = self._source.dialect.clocked or not self._source.traits.live
        if seconds is not None and rate is not None and by_frames:
            return Limit(frames=max(round(seconds * rate), 1))
        return Limit(seconds=seconds)

    def _heading(self, name: str) -> Heading:
        signal, source = self._signal, self._source
        clock = "device" if source.dialect.name == "framed" else "host" if source.traits.live else "file"
        facts = TakeFacts(
            sensor=signal.sensor,
            channels=signal.channels,
            units=signal.units,
            full_scale=signal.full_scale if source.dialect.counts else None,
            rate_hz=signal.rate_hz,
            size=signal.size,
            clock=Clock(source=clock),
            started=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            device=self._wanted.device,
            board=source.facts.board,
            firmware=source.facts.firmware,
        )
        return Heading(
            facts=facts,
            label=self._wanted.label,
            subject=self._wanted.subject,
            name=name,
            values=signal.frame_values,
            clocked=source.dialect.clocked,
            limits=signal.full_scale,
        )


def _no_frames(recording: Recording) -> NDArray[Any]:
    return np.zeros((0, recording.heading.values), recording.heading.dtype)
