"""One device from its old images to new ones that run confirmed, or back to the old ones with the reason.

looked at -> uploaded (what differs) -> test -> [reset] -> runs on trial -> self-test -> confirmed -> looked at
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tinyops.device.transports.kind import Transport
from tinyops.device.update import decide
from tinyops.device.update.connection import Connection
from tinyops.device.update.decide import Offer, Seen, Step, Trial
from tinyops.device.update.refusals import refused_image
from tinyops.device.update.settings import GivenUp, Stop, UpdateFailed, Watch, Wish
from tinyops.device.update.upload import Upload
from tinyops.errors import TinyopsError
from tinyops.images import Kind
from tinyops.images.members import set_of
from tinyops.link.client import LinkError
from tinyops.link.smp import BoardInfo, Refused, SelfTest, UpdateState

Offers: TypeAlias = Callable[[BoardInfo], Sequence[Offer]]
Origins: TypeAlias = Callable[[str], tuple[int, ...]]
RESET_AGAIN_S = 3.0
PROOF_LOOKS = 5  # at a part that proves itself: between two of its inferences, as a rule at once
Result: TypeAlias = Literal["ran already", "confirmed", "on trial", "waits for its chain"]
WAITS: Result = "waits for its chain"
Phase: TypeAlias = Literal["upload", "test", "confirm"]


@dataclass(frozen=True)
class Done:
    """What was done about one image. `sent` are its bytes that this update sent, in `seconds`; `resumed_at` is where
    it went on from, `breaks` how often the link was lost. `instead_of`: bytes of the image that a delta spared, 0: it
    was sent itself. `gap_ms`: how long the swap stopped inference.
    """

    kind: Kind
    digest: bytes
    where: str
    result: Result
    sent: int = 0
    seconds: float = 0.0
    resumed_at: int = 0
    breaks: int = 0
    instead_of: int = 0
    gap_ms: int = 0


@dataclass(frozen=True)
class Updated:
    """A device that has what it should."""

    address: str
    board: str
    images: tuple[Done, ...]


@dataclass(frozen=True)
class Desk:
    """What every device's update shares. `offers` may be asked from several threads.

    `before` is called before each step that changes something on the device; what it raises ends the update there.
    """

    offers: Offers
    origins: Origins
    wish: Wish
    watch: Watch
    stop: Stop
    before: Callable[[Offer, Phase], None] = lambda _offer, _phase: None


def update(address: str, transport: Transport, desk: Desk, *, settle_s: float = 0.0) -> Updated:
    """Brings one device up to date.

    Raises UpdateFailed for what it refused or reverted, LinkError when it cannot be reached, Stopped. It then runs
    what it ran, and the next update goes on where this one ended.
    """
    patience = desk.wish.patience
    with Connection(
        address, transport, settle_s=settle_s, patience=patience, watch=desk.watch, stop=desk.stop
    ) as connection:
        return Session(connection, desk).run()


class _Timed:
    """An upload that is run once, how long it took, and how often the link broke meanwhile."""

    def __init__(self, to: Connection, upload: Upload) -> None:
        self.upload, self._to = upload, to
        self.seconds, self.breaks = 0.0, 0

    def __call__(self) -> None:
        begun, breaks = time.monotonic(), self._to.breaks
        self.upload.run()
        self.seconds, self.breaks = time.monotonic() - begun, self._to.breaks - breaks


class Session:
    """One update of one device."""

    def __init__(self, to: Connection, desk: Desk) -> None:
        self._to, self._desk, self._wish = to, desk, desk.wish
        self._before: SelfTest | None = None

    def run(self) -> Updated:
        seen = self._look()
        chosen = decide.choose(self._desk.offers(seen.info), seen)
        if len(chosen) == 2 and decide.with_new_contract(chosen, seen):
            done = self._both(*chosen)
        else:
            done = tuple(self._bring(offer) for offer in chosen)
        return Updated(self._to.address, seen.info.board, done)

    def _both(self, firmware: Offer, model: Offer) -> tuple[Done, ...]:
        """A firmware and the model for its contract: both on trial before either is confirmed, the firmware first.

        A model confirmed under a firmware on trial would leave the firmware before it without one.
        """
        first = self._to_trial(firmware)
        if first.result == "ran already":
            return first, self._bring(model)
        try:
            second = self._to_trial(model)
            if second.result == "on trial":
                self._check(model)
        except (UpdateFailed, LinkError):
            self._say("the firmware is on trial and its model does not run: back to what was")
            self._to.reset()
            raise
        return self._confirm(firmware, first), self._confirm(model, second)

    def _bring(self, offer: Offer) -> Done:
        return self._confirm(offer, self._to_trial(offer))

    # -- as far as the trial ------------------------------------------------------------------------

    def _to_trial(self, offer: Offer) -> Done:
        """Uploads what is not there, and waits until it runs on trial, unless it runs already."""
        seen = self._look()
        image = offer.image
        done = Done(image.kind, image.digest, offer.where, "on trial")
        step = decide.next_step(image, seen)
        if step is Step.NOTHING:
            self._say(f"{offer.label} runs already")
            return replace(done, result="ran already")
        if not self._wish.anyway and (why := decide.objection(image, seen)):
            raise UpdateFailed(f"{self._to.address}: {offer.where}: {why.text}", hint=why.hint)
        if image.kind is Kind.FIRMWARE:
            self._before = self._self_test()
        if step is Step.UPLOAD:
            self._desk.before(offer, "upload")
            done = self._upload_smaller(offer, done, seen) or self._upload(offer, done)
        if step in (Step.UPLOAD, Step.TEST):
            self._desk.before(offer, "test")
            self._ask_refusable(offer, lambda: self._to.call(lambda board: board.test_image(image.digest)))
        if set_of(image) is not None:
            return replace(done, result=self._prove(offer))
        if step is not Step.CONFIRM:
            self._start(offer)
        return done

    def _prove(self, offer: Offer) -> Result:
        """Waits until the part of a chain has proven itself in its slot; the chain says when it runs, not this host.
        Raises UpdateFailed with the reason when it has not.
        """
        for look in range(PROOF_LOOKS):
            if look > 0:
                self._to.stop.wait(self._wish.patience.poll_s)
                self._to.check()
            seen, state = self._look(), self._state(offer.image.kind)
            stands = decide.trial_of(offer.image, seen, state)
            if stands is Trial.REVERTED:
                raise self._reverted(offer, state)
            if stands is Trial.CONFIRMED:
                self._say(f"{offer.label} runs, with its chain")
                return "confirmed"
        self._say(f"{offer.label} waits for its chain")
        return WAITS

    def _upload(self, offer: Offer, done: Done) -> Done:
        self._say(f"sending {offer.label}, {len(offer.data):,} bytes, in messages of {self._to.message_bytes:,}")
        upload = Upload(self._to, offer.image.kind, offer.data, lambda at: self._moved(at, len(offer.data)))
        self._ask_refusable(offer, timed := _Timed(self._to, upload))
        return self._sent(timed, len(offer.data), done)

    def _upload_smaller(self, offer: Offer, done: Done, seen: Seen) -> Done | None:
        """Sends a delta, where one serves; None: all of the image is to be sent."""
        delta = decide.smaller(offer, seen, self._state(offer.image.kind)) if offer.deltas else None
        if delta is None:
            return None
        try:
            data = delta.read()
        except TinyopsError as error:
            self._say(f"no delta: {error.message}")
            return None
        self._say(f"sending {offer.label} as a delta, {len(data):,} bytes instead of {len(offer.data):,}")
        timed = _Timed(self._to, Upload(self._to, offer.image.kind, data, lambda at: self._moved(at, len(data))))
        try:
            timed()
        except Refused as refused:
            why = refused_image(self._to.address, offer, refused, self._state(offer.image.kind))
            self._say(f"the delta was of no use ({why.message.removeprefix(f'{self._to.address}: ')})")
            return None
        return replace(self._sent(timed, len(data), done), instead_of=len(offer.data))

    def _sent(self, timed: _Timed, count: int, done: Done) -> Done:
        at = timed.upload.tally.resumed_at
        if at:
            self._say(f"{at:,} bytes of it were there already")
        return replace(done, sent=count - at, seconds=timed.seconds, resumed_at=at, breaks=timed.breaks)

    def _ask_refusable(self, offer: Offer, ask: Callable[[], object]) -> None:
        try:
            ask()
        except Refused as refused:
            raise refused_image(self._to.address, offer, refused, self._state(offer.image.kind)) from refused

    def _start(self, offer: Offer) -> None:
        """Waits until what was tested runs. Raises UpdateFailed with the reason when it went back."""
        resets = offer.image.kind is Kind.FIRMWARE
        if resets:
            self._say("starting it on trial")
            self._to.reset()
        begun = asked = time.monotonic()
        patience = self._wish.patience
        while True:
            seen, state = self._look(starting=resets), self._state(offer.image.kind)
            stands = decide.trial_of(offer.image, seen, state)
            if stands in (Trial.RUNNING, Trial.CONFIRMED):
                return
            if stands is Trial.REVERTED:
                raise self._reverted(offer, state)
            now = time.monotonic()
            if now - begun >= patience.trial_s:
                raise UpdateFailed(
                    f"{self._to.address}: {offer.label} did not start within {patience.trial_s:g} s",
                    hint="a model starts between two inferences: does its input come? It stays pending until a reset",
                )
            if resets and now - asked >= RESET_AGAIN_S:  # it answers and still waits: the request was lost
                asked = now
                self._to.reset()
            self._to.stop.wait(patience.poll_s)
            self._to.check()

    # -- and from there -----------------------------------------------------------------------------

    def _confirm(self, offer: Offer, done: Done) -> Done:
        if done.result != "on trial":
            return done
        self._check(offer)
        if not self._wish.confirm:
            self._say(f"{offer.label} runs on trial, not confirmed: the next reset ends it")
            return done
        self._desk.before(offer, "confirm")
        self._ask_refusable(offer, lambda: self._to.call(lambda board: board.confirm_image(offer.image.digest)))
        slot = self._look().holds(offer.image.kind, offer.image.digest)
        if slot is None or not (slot.active and slot.confirmed):
            raise UpdateFailed(
                f"{self._to.address}: took the confirmation of {offer.label}, and does not run it confirmed",
                hint="run the same command again",
            )
        state = self._state(offer.image.kind)
        self._say(f"{offer.label} runs, confirmed")
        return replace(done, result="confirmed", gap_ms=state.gap_ms if state else 0)

    def _check(self, offer: Offer) -> None:
        """Asks for the self-test of what is on trial. A failure ends the trial; raises UpdateFailed."""
        found = self._self_test()
        failed = decide.newly_failed(self._before, found)
        if failed:
            self._end_trial(offer)
            text = f"{self._to.address}: {offer.label} failed its self-test: {', '.join(failed)}"
            raise GivenUp(text, digest=offer.image.digest, result="reverted")
        if decide.trial_of(offer.image, self._look(), state := self._state(offer.image.kind)) is Trial.REVERTED:
            raise self._reverted(offer, state)

    def _reverted(self, offer: Offer, state: UpdateState | None) -> GivenUp:
        return GivenUp(
            f"{self._to.address}: {offer.label} was reverted: {decide.why_reverted(state)}",
            hint="it runs what it ran before; if it crashed, `tinyops crash` tells where",
            digest=offer.image.digest,
            result="reverted",
            certain=state is not None and state.outcome in decide.CERTAIN,
        )

    def _end_trial(self, offer: Offer) -> None:
        """Back to what ran before: a firmware by a reset, a model at once."""
        if offer.image.kind is Kind.FIRMWARE:
            self._to.reset()
            return
        try:
            self._to.call(lambda board: board.end_trial(offer.image.kind))
        except Refused:
            self._say("it cannot end a trial by itself: switch it off and on, and the old model runs")

    def _self_test(self) -> SelfTest | None:
        """None where the board has none."""
        limit_s = self._wish.patience.self_test_s
        try:
            return self._to.call(lambda board: board.self_test(timeout_s=limit_s))
        except Refused as refused:
            self._say(f"no self-test: {refused.message.removeprefix(self._to.address + ': ')}")
            return None

    # -- what it says -------------------------------------------------------------------------------

    def _look(self, *, starting: bool = False) -> Seen:
        info = self._to.call(lambda board: board.info(), starting=starting)
        return Seen(info, self._to.call(lambda board: board.images()), self._desk.origins(info.board))

    def _state(self, kind: Kind) -> UpdateState | None:
        """None where the board does not tell: firmware before this command."""
        try:
            return self._to.call(lambda board: board.update_state(kind))
        except Refused:
            return None

    def _say(self, text: str) -> None:
        self._desk.watch.said(self._to.address, text)

    def _moved(self, done: int, total: int) -> None:
        self._desk.watch.moved(self._to.address, done, total)
