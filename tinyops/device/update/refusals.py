"""What a device said when it refused an image, as a sentence with what to do about it."""

from __future__ import annotations

from tinyops.device.update.decide import CABLE_HINT, Offer
from tinyops.device.update.settings import GivenUp, UpdateFailed
from tinyops.link.smp import Refused, UpdateState
from tinyops.link.smp.definition import GROUP_IMAGE, UPDATE_ERROR_TEXT, UpdateError

HINTS = {
    UpdateError.SIGNATURE: "enrol it with the key that signs this release, or take a release that its key signed",
    UpdateError.KEYS: "`tinyops enrol` gives it the project's keys; a cable (`tinyops flash`) needs none",
    UpdateError.NO_SLOT: CABLE_HINT,
    UpdateError.BOARD: "give the image of this board's release",
    UpdateError.ADDRESS: "firmware is linked once for each slot: give both files, or the release",
    UpdateError.CONTRACT: "update its firmware with it: the release holds both",
    UpdateError.COUNTER: "an older release was revoked; publish the content again with the new counter",
    UpdateError.BYTES: "it does not fit this board's slot",
    UpdateError.DIGEST: "it was damaged on the way or in flash; run the same command again",
    UpdateError.BASE: "it runs another image by now: run the same command again",
    UpdateError.FLASH: "run the same command again; if that stays so, its flash is worn out",
}
# What another try may change: bytes that were damaged, a flash that failed once, a trial that is still under way.
PASSING = frozenset({UpdateError.DIGEST, UpdateError.FLASH, UpdateError.OFFSET, UpdateError.STATE, UpdateError.ABSENT})


def refused_image(address: str, offer: Offer, refused: Refused, state: UpdateState | None) -> UpdateFailed:
    """The exact reason is what the board keeps of its last refusal; its answer in group 1 has fewer numbers."""
    number = state.refusal if state is not None else 0
    if number in set(UpdateError):
        reason = UpdateError(number)
        text = f"{address}: refused {offer.label} ({offer.where}): {UPDATE_ERROR_TEXT[reason]}"
        hint = HINTS.get(reason, "")
        if reason in PASSING:
            return UpdateFailed(text, hint=hint)
        return GivenUp(text, hint=hint, digest=offer.image.digest, result="refused")
    return UpdateFailed(f"{address}: refused {offer.label} ({offer.where}): {_number(refused)}")


def _number(refused: Refused) -> str:
    from smp.image_management import IMG_MGMT_ERR

    if refused.group == GROUP_IMAGE and refused.code in set(IMG_MGMT_ERR):
        return IMG_MGMT_ERR(refused.code).name.lower().replace("_", " ")
    return f"error {refused.code}"
