"""A project with metadata and people who sign: real releases, real keys, a folder that a web server may show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from fakes.models import FakeModel
from fakes.releases import INERT, Publisher
from tinyops.manifest.keys import SigningKey
from tinyops.reconcile.offering import bring, deliver, refresh
from tinyops.reconcile.trust_signing import Signed, init, revoke, rotate, sign
from tinyops.reconcile.trust_status import trust_status
from tinyops.reconcile.trusting import Delivery, Trusting
from tinyops.release.secrets import load_signing_key, new_key
from tinyops.specs.trust import TargetsSigner
from tinyops.trust.folder import FolderPlace
from tinyops.trust.offline import save_offline
from tinyops.trust.places import MetadataPlace
from tinyops.trust.published import Published, read_published
from tinyops.trust.publishing import Wanted
from tinyops.trust.roles import Lives

ONLINE, TARGETS = "TINYOPS_ONLINE_KEY", "TINYOPS_IMAGE_KEY"
PEOPLE = ("ANA_KEY", "BEN_KEY", "CAT_KEY")


def model(number: int) -> FakeModel:
    return INERT.but(library=b"\x7fELF of model %d" % number)


@dataclass
class TrustBench:
    """`clock` is the publisher's; the library's updater looks at the machine's."""

    root: Path
    by: Literal["ci", "people"] = "people"
    threshold: int = 2
    clock: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    lives: Lives = field(default_factory=Lives)
    place: MetadataPlace | None = None

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.root)
        self.publisher.store.waits = self.by == "people"
        signer = TargetsSigner(by=self.by, threshold=self.threshold if self.by == "people" else 1)
        place = self.place or FolderPlace(self.root / "metadata")
        secret = TARGETS if self.by == "ci" else ""
        self.found = Trusting(self.root, "wearables", place, self.lives, signer, secret, ONLINE)
        for name in (TARGETS, *PEOPLE):
            new_key(name, self.root)

    @property
    def metadata(self) -> Path:
        return self.root / "metadata"

    @property
    def offline(self) -> Path:
        return self.root / "specs" / "trust"

    def key(self, name: str) -> SigningKey:
        return load_signing_key(name, self.root, {})

    def key_id(self, name: str) -> str:
        return self.key(name).public.key_id

    def init(self) -> TrustBench:
        people = PEOPLE if self.by == "people" else ()
        held, _ = init(self.found, root_keys=(), threshold=1, targets_keys=people, now=self.clock)
        save_offline(held)
        return self

    def rotate(
        self, role: str, *, add: Sequence[str] = (), remove: Sequence[str] = (), threshold: int | None = None
    ) -> None:
        ids = [self.key_id(name) for name in remove]
        save_offline(rotate(self.found, role, add=add, remove=ids, threshold=threshold, now=self.clock))

    def revoke(self, name: str) -> list[str]:
        held, roles = revoke(self.found, self.key_id(name), self.clock)
        save_offline(held)
        return roles

    def release(self, number: int) -> None:
        self.publisher.publish(model(number))

    def deliver(self) -> Delivery:
        store = self.publisher.store
        with store.lease("a test") as lease:
            release = store.latest()
            assert release is not None
            return deliver(self.found, store, release, lease, self.clock)

    def sign(self, *names: str, dry_run: bool = False) -> Signed:
        store = self.publisher.store
        return sign(self.found, store, store.latest(), names=names, dry_run=dry_run, now=self.clock)

    def progress(self, changes: dict[str, bytes]) -> None:
        """Puts progress documents beside what is offered, as `tinyops rollout step` does."""
        held = self.found.offline()

        def decide(published: Published) -> Wanted:
            assert published.targets is not None
            return Wanted(held.finished, published.targets.data, progress=changes)

        bring(self.found, held, decide, self.found.online_key(), self.clock, "progress")

    def refresh(self) -> bool:
        return refresh(self.found, self.publisher.store, self.clock)[1]

    def notes(self) -> list[str]:
        return trust_status(self.found, None).notes(self.clock)

    def published(self) -> Published:
        return read_published(self.found.place.look(), self.found.offline().need_root())

    def later(self, **span: float) -> TrustBench:
        self.clock += timedelta(**span)
        return self

    @property
    def first_root(self) -> bytes:
        return (self.offline / "1.root.json").read_bytes()
