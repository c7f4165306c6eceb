"""`tinyops keys`: make, list and rotate signing keys."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output
from tinyops.errors import UsageError

if TYPE_CHECKING:
    from tinyops.files import JsonObject
    from tinyops.reconcile.keyring import Keyring, Rotation, TrustedKey

SHOWN_DIGITS = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    new = verbs.add_parser("new", help="make an Ed25519 key below .tinyops/secrets and trust it on this machine")
    new.add_argument("name", metavar="NAME", help="the secret's name in the specs, for example TINYOPS_IMAGE_KEY")
    new.add_argument("--trust", type=Path, metavar="FILE", help="add the public half to this file instead")
    new.add_argument("--if-absent", action="store_true", help="do nothing when there is one already")
    listing = verbs.add_parser("list", help="list the trusted keys by id, and how many devices take each")
    rotate = verbs.add_parser("rotate", help="let the spare sign from now on, and make a new spare")
    rotate.add_argument("name", nargs="?", metavar="NAME", help="the key that signs; default: the project's")
    rotate.add_argument("--spare", metavar="SPARE", help="the spare's name, default TINYOPS_SPARE_KEY")
    for verb in (new, listing, rotate):
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    root = repository_root(arguments)
    if arguments.verb == "new":
        return _new(arguments, root, output)
    return _list(root, output) if arguments.verb == "list" else _rotate(arguments, root, output)


def _new(arguments: argparse.Namespace, root: Path, output: Output) -> int:
    from tinyops.documents import shown_path
    from tinyops.reconcile.world import trust_new_key
    from tinyops.release.secrets import new_key
    from tinyops.remote.secrets import secret_path

    path = secret_path(arguments.name, root)
    if arguments.if_absent and path.exists():
        output.result({"created": False, "path": str(path)}, f"{shown_path(path)}: there is a key already.")
        return 0
    key = new_key(arguments.name, root)
    trusted = trust_new_key(root, key.public, arguments.trust)
    where, follows = _what_follows(root, arguments.trust)
    text = (
        f"{shown_path(key.path)}: a new private key (mode 0600, ignored by Git). Keep a copy off this machine.\n"
        f"{shown_path(trusted)}: its public half, id {key.public.key_id[:SHOWN_DIGITS]}…{where}.\n"
        f"{follows}"
    )
    output.result({"created": True, "path": str(key.path), "key_id": key.public.key_id, "trusted": str(trusted)}, text)
    return 0


def _what_follows(root: Path, trust: Path | None) -> tuple[str, str]:
    """Where the key is trusted, and what to do about it."""
    from tinyops.build.trust import TRUSTED_FILES

    if trust is not None:
        return ", is trusted here", "Commit it, so that CI and others trust the key too."
    if (root / TRUSTED_FILES[0]).exists():
        return "", f"Copy it into {TRUSTED_FILES[0]} if it may sign releases: keys are trusted from there alone."
    return ", is trusted here", "Commit the public half as specs/trusted.pem so that CI and others trust it too."


def _list(root: Path, output: Output) -> int:
    from tinyops.reconcile.keyring import keyring

    found = keyring(root)
    lines = [_line(key, found) for key in found.keys]
    if found.unknown:
        lines.append(f"Of {found.unknown} devices nobody wrote down what they take: enrolled by an earlier tinyops.")
    text = "\n".join(lines) if found.keys else "No key is trusted here. `tinyops keys new NAME` makes one."
    output.result(_json(found), text)
    return 0


def _line(key: TrustedKey, found: Keyring) -> str:
    """Its id, whole; what is known of it."""
    parts = [key.key_id]
    if key.name:
        parts.append(f"{key.name}{', signs' if key.signs else ''}")
    if found.devices:
        parts.append(f"{key.devices} of {found.devices} devices take it")
    return "  ".join(parts)


def _json(found: Keyring) -> JsonObject:
    keys = [{"key_id": k.key_id, "name": k.name, "signs": k.signs, "devices": k.devices} for k in found.keys]
    ids = [key.key_id for key in found.keys]
    counts = {"devices": found.devices, "unknown": found.unknown}
    return {"trusted": ids, "threshold": found.threshold, "keys": keys, **counts}


def _rotate(arguments: argparse.Namespace, root: Path, output: Output) -> int:
    from tinyops.reconcile.keyring import SPARE, rotate

    spare = arguments.spare or SPARE
    if spare == arguments.name:
        raise UsageError(f"{spare} is both the key and its spare", hint="name another with --spare")
    done = rotate(root, name=arguments.name, spare=spare)
    value = {
        "name": done.name,
        "key_id": done.key.key_id,
        "former": str(done.former) if done.former else None,
        "spare": str(done.spare),
        "spare_key_id": done.spare_key.key_id,
        "trusted": str(done.trusted),
        "keyring": _json(done.keyring),
    }
    output.result(value, "\n".join([*_what_was_done(done), "", *_next(done)]))
    return 0


def _what_was_done(done: Rotation) -> list[str]:
    from tinyops.documents import shown_path

    lines = [f"{done.name}: is key {done.key.key_id[:SHOWN_DIGITS]}… now, which was the spare."]
    if done.former is not None:
        lines.append(f"{shown_path(done.former)}: the former key.")
    spare = done.spare_key.key_id[:SHOWN_DIGITS]
    lines.append(f"{shown_path(done.spare)}: a new spare, {spare}…. Keep it off this machine.")
    lines.append(f"{shown_path(done.trusted)}: trusts {len(done.keyring.keys)} keys, the former one among them.")
    return lines


def _next(done: Rotation) -> list[str]:
    from tinyops.documents import shown_path

    taking = next(key.devices for key in done.keyring.keys if key.key_id == done.key.key_id)
    trusted = shown_path(done.trusted)
    lines = [
        f"Commit {trusted}, and give CI the new {done.name}.",
        "`tinyops apply` names the override that lets the next release change its key. Images that did not change keep "
        "the signature that they have.",
        f"{taking} of {done.keyring.devices} enrolled devices are known to take the key that signs now. The new spare "
        "is on none yet: a device gets it when it is enrolled again, an agent in its trust file.",
        f"When nothing needs the former key any more, take it out of {trusted}: what it signed is then signed anew. If "
        "it leaked, do that now (docs/keys.md).",
    ]
    return [f"{number}. {line}" for number, line in enumerate(lines, 1)]
