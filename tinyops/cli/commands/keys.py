"""`tinyops keys`: make and list signing keys."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    new = verbs.add_parser("new", help="make an Ed25519 key below .tinyops/secrets and trust it on this machine")
    new.add_argument("name", metavar="NAME", help="the secret's name in the specs, for example TINYOPS_IMAGE_KEY")
    new.add_argument("--trust", type=Path, metavar="FILE", help="add the public half to this file instead")
    new.add_argument("--if-absent", action="store_true", help="do nothing when there is one already")
    listing = verbs.add_parser("list", help="list the trusted keys by id")
    for verb in (new, listing):
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    root = repository_root(arguments)
    return _new(arguments, root, output) if arguments.verb == "new" else _list(root, output)


def _new(arguments: argparse.Namespace, root: Path, output: Output) -> int:
    from tinyops.documents import shown_path
    from tinyops.reconcile.world import trust_new_key
    from tinyops.release.secrets import new_key, secret_path

    path = secret_path(arguments.name, root)
    if arguments.if_absent and path.exists():
        output.result({"created": False, "path": str(path)}, f"{shown_path(path)}: there is a key already.")
        return 0
    key = new_key(arguments.name, root)
    trusted = trust_new_key(root, key.public, arguments.trust)
    text = (
        f"{shown_path(key.path)}: a new private key (mode 0600, ignored by Git). Keep a copy off this machine.\n"
        f"{shown_path(trusted)}: its public half, id {key.public.key_id[:16]}…, is trusted here.\n"
        f"{_what_follows(arguments.trust)}"
    )
    output.result({"created": True, "path": str(key.path), "key_id": key.public.key_id, "trusted": str(trusted)}, text)
    return 0


def _what_follows(trust: Path | None) -> str:
    if trust is not None:
        return "Commit it, so that CI and others trust the key too."
    return "Commit the public half as specs/trusted.pem so that CI and others trust it too."


def _list(root: Path, output: Output) -> int:
    from tinyops.build.trust import find_trust

    trust = find_trust(root)
    ids = sorted(trust.keys) if trust else []
    text = "\n".join(ids) if ids else "No key is trusted here. `tinyops keys new NAME` makes one."
    output.result({"trusted": ids, "threshold": trust.threshold if trust else 0}, text)
    return 0
