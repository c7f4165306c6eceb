"""What an agent believes of the progress of rollouts, whichever way it came."""

from __future__ import annotations

from collections.abc import Sequence

from tinyops.device.memory import Memory
from tinyops.device.offers import half_over
from tinyops.errors import RemoteError
from tinyops.manifest.entry import Entry, EntryRollout
from tinyops.manifest.envelope import signers
from tinyops.manifest.fields import read_time
from tinyops.manifest.progress import Progress, check_progress, read_progress


class Rollouts:
    """`warnings` are of this poll, by fleet: what is wrong with a progress although there may be an older one."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.warnings: dict[str, str] = {}

    def believe(
        self, entry: Entry, rollout: EntryRollout, documents: Sequence[bytes], where: str, problem: str = ""
    ) -> tuple[Progress, bytes] | None:
        """The first of the documents, the newest first, that the entry's online keys signed, that is no older than one
        that was seen, and has not expired. `problem` is what went wrong with asking."""
        fleet = entry.fleet
        for document in documents:
            try:
                found, envelope = read_progress(document, rollout.trust, where=where)
                self._check(found, entry, rollout, where)
            except RemoteError as error:
                problem = problem or error.message
                continue
            signer = min(signers(envelope, rollout.trust))
            self._memory.saw_sequence(fleet, found.sequence, signer, rollout.trust)
            self._memory.saw_alive()
            self._warn(found, problem)
            return found, document
        self.warnings[fleet] = (
            f"no progress of the rollout of {fleet}, what is new waits: {problem or f'{where}: there is none'}"
        )
        return None

    def _check(self, found: Progress, entry: Entry, rollout: EntryRollout, where: str) -> None:
        known = self._memory.sequence(entry.fleet, rollout.trust)
        check_progress(found, entry.project, entry.fleet, known, where=where)
        if read_time(found.expires) <= self._memory.now():
            raise RemoteError(f"{where}: expired at {found.expires}")

    def _warn(self, found: Progress, problem: str) -> None:
        signed, ends = read_time(found.time), read_time(found.expires)
        if problem:
            self.warnings[found.fleet] = f"the rollout of {found.fleet} is taken as it was at {found.time}: {problem}"
        elif self._memory.now() > signed + (ends - signed) / 2:
            self.warnings[found.fleet] = half_over(f"the progress of the rollout of {found.fleet}", ends)
