"""The keys that may sign: which there are, which devices take which, and moving on to the spare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyops.build.trust import TRUSTED_FILES, find_trust
from tinyops.device.provision.devices_file import KEY_DIGITS, Device
from tinyops.device.provision.format import IMAGE_KEYS
from tinyops.documents import shown_path
from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.files import read_bounded, write_atomic
from tinyops.manifest.keys import KEY_FILE_LIMIT_BYTES, PublicKey, SigningKey, Trust
from tinyops.reconcile.device_lists import read_list
from tinyops.reconcile.world import load_world_catalog, parse_cache
from tinyops.release.secrets import keys_at_hand, load_signing_key, replace_key, swap_key
from tinyops.remote.secrets import secret_path
from tinyops.specs.loader import Repository, load_repository

SPARE = "TINYOPS_SPARE_KEY"


@dataclass(frozen=True)
class TrustedKey:
    """A key that may sign. `name` is that of its private half on this machine, "" where that is not; `signs` says that
    it is the one that signs; `devices` counts those that are known to take it."""

    key_id: str
    name: str
    signs: bool
    devices: int


@dataclass(frozen=True)
class Keyring:
    """`devices` counts those that are enrolled, `unknown` those of them of which nobody wrote down what they take."""

    keys: tuple[TrustedKey, ...]
    threshold: int
    devices: int
    unknown: int


@dataclass(frozen=True)
class Rotation:
    """What rotating did: the key that signs now, where the former one is kept, and the spare that was made."""

    name: str
    key: PublicKey
    former: Path | None
    spare: Path
    spare_key: PublicKey
    trusted: Path
    keyring: Keyring


def keyring(root: Path) -> Keyring:
    """The trusted keys by id, those of a repository without specs, too. Raises SpecError for what cannot be read."""
    trust = find_trust(root)
    repository = _repository(root)
    names = keys_at_hand(root)
    devices = [*_devices(repository)] if repository else []
    counts = Counter(key for device in devices for key in device.image_keys.split())
    signing = signing_name(repository) if repository else ""
    keys = tuple(
        TrustedKey(i, names.get(i, ""), bool(signing) and names.get(i) == signing, counts[i[:KEY_DIGITS]])
        for i in sorted(trust.keys if trust else ())
    )
    unknown = sum(not device.image_keys for device in devices)
    return Keyring(keys, trust.threshold if trust else 0, len(devices), unknown)


def rotate(root: Path, *, name: str | None = None, spare: str = SPARE) -> Rotation:
    """The spare becomes the key that signs, and a new spare is made; what was trusted stays trusted.

    Devices know the spare already: that is what it is for. Raises ToolError when its private half is not here,
    SpecError when it is not trusted, UsageError when devices cannot keep as many keys as there would be.
    """
    repository = _repository(root)
    chosen = name or (signing_name(repository) if repository else "")
    if not chosen:
        raise UsageError("the project names no signing key", hint="name the secret: `tinyops keys rotate NAME`")
    trust = find_trust(root)
    key = _the_spare(root, spare, trust)
    if keys_at_hand(root).get(key.public.key_id) == chosen:
        raise UsageError(
            f"the spare {key.public.key_id[:16]}… is the key that signs already: there is nothing to move on to",
            hint=f"let {spare} be the private half of another trusted key; `tinyops keys list` says which are here",
        )
    _check_room(root, trust)
    made = SigningKey.generate()
    trusted = trust_all(root, [made.public])  # first: a key that nobody uses does no harm
    former = swap_key(chosen, root, key)
    replace_key(secret_path(spare, root), made)  # whose key is under the other name now
    return Rotation(chosen, key.public, former, secret_path(spare, root), made.public, trusted, keyring(root))


def _the_spare(root: Path, spare: str, trust: Trust | None) -> SigningKey:
    try:
        key = load_signing_key(spare, root)
    except ToolError as error:
        raise ToolError(
            f"{error.message}: the spare becomes the key that signs, as devices take it already",
            hint=f"bring its private half from where you keep it: set {spare}_FILE to it, or copy it to "
            f"{shown_path(secret_path(spare, root))} (mode 0600). There was never one? `tinyops keys new {spare}`, "
            f"its public half into {TRUSTED_FILES[0]}, and every device told of it: docs/keys.md",
        ) from None
    if trust is None or key.public.key_id not in trust.keys:
        raise SpecError(
            f"{TRUSTED_FILES[0]}: does not trust the spare {key.public.key_id[:16]}…, so no device takes it",
            hint="put its public half there, and tell every device of it before it signs: docs/keys.md",
        )
    return key


def _check_room(root: Path, trust: Trust | None) -> None:
    """There is room for one more key."""
    most = IMAGE_KEYS[1]
    if trust is not None and len(trust.keys) >= most:
        least = min(keyring(root).keys, key=lambda one: (one.signs, one.devices))
        raise UsageError(
            f"{len(trust.keys)} keys are trusted, a device keeps {most}: there is no room for another spare",
            hint=f"take one that is needed no more out of {TRUSTED_FILES[0]}; `tinyops keys list` says which devices "
            f"take which, fewest take {least.key_id[:16]}…",
        )


def trust_all(root: Path, keys: Sequence[PublicKey]) -> Path:
    """Adds keys to the committed ones, together with those of this machine alone where none are committed yet."""
    path, here = (root / file for file in TRUSTED_FILES)
    before = path if path.exists() else here
    text = read_bounded(before, KEY_FILE_LIMIT_BYTES) if before.exists() else b""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text + b"".join(key.to_pem() for key in keys))
    return path


def signing_name(repository: Repository) -> str:
    """The secret that the project signs with, "" for none."""
    key = repository.project.document.spec.signing.image.key
    return key.secret if key is not None else ""


def _repository(root: Path) -> Repository | None:
    if not (root / "specs").is_dir() or not any((root / "specs").glob("*.yaml")):
        return None
    return load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))


def _devices(repository: Repository) -> Iterator[Device]:
    """Every device that is enrolled in any fleet and not revoked."""
    files: Mapping[Path, None] = {
        repository.resolve(entry, entry.document.spec.devices.file): None
        for entry in repository.fleets.values()
        if entry.document.spec.devices.file is not None
    }
    for path in files:
        listed = read_list(path).devices.values()
        yield from (device for device in listed if device.enrolled and not device.revoked)
