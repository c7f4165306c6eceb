"""`tinyops trust`: the keys, signatures and metadata by which gateways and Linux devices know what to take."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.output import Output

if TYPE_CHECKING:
    from tinyops.files import JsonObject
    from tinyops.reconcile.trusting import Trusting
    from tinyops.reconcile.world import Held
    from tinyops.trust.offline import Offline

KEY = "a secret of this machine, or a PEM file of public keys"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    key = verbs.add_parser("key", help="make a key for yourself and print its public half")
    key.add_argument("name", metavar="NAME", help="the secret's name, such as ANA_KEY")
    init = verbs.add_parser("init", help="make the first root: which keys are trusted with what")
    init.add_argument("--root", action="append", default=[], metavar="KEY", help=f"may sign roots: {KEY}")
    init.add_argument("--threshold", type=int, default=1, metavar="N", help="how many of them must, default 1")
    init.add_argument("--targets", action="append", default=[], metavar="KEY", help="of people who sign releases")
    status = verbs.add_parser("status", help="show keys, what is offered, who signed and what grows old")
    sign = verbs.add_parser("sign", help="show what waits for signatures, and add yours")
    sign.add_argument("--key", action="append", default=[], metavar="NAME", help="default: every key of this machine")
    sign.add_argument("--dry-run", action="store_true", help="only show it")
    rotate = verbs.add_parser("rotate", help="propose the next root: other keys in a role, or the same for longer")
    rotate.add_argument("role", choices=("root", "targets", "online"))
    rotate.add_argument("--add", action="append", default=[], metavar="KEY", help=KEY)
    rotate.add_argument("--remove", action="append", default=[], metavar="ID", help="the beginning of a key's id")
    rotate.add_argument("--threshold", type=int, metavar="N", help="how many must sign")
    revoke = verbs.add_parser("revoke", help="propose the next root without a key, whatever its role")
    revoke.add_argument("key", metavar="ID", help="the beginning of its id")
    publish = verbs.add_parser("publish", help="offer the newest release that is signed to devices")
    refresh = verbs.add_parser("refresh", help="sign again what grows old, for a schedule")
    for verb in (sign, init, rotate, revoke):
        verb.add_argument("--commit", action="store_true", help="commit what it writes, and nothing else")
    for verb in (key, init, status, sign, rotate, revoke, publish, refresh):
        verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.verb == "key":
        return _key(arguments, output)
    from tinyops.reconcile.trusting import need_trusting
    from tinyops.reconcile.world import hold

    held = hold(repository_root(arguments), say=output.note)
    if arguments.verb in ("publish", "refresh") and held.repository.project.document.spec.metadata is None:
        output.result({"changed": False, "state": "none"}, "The project has no metadata: there is nothing to sign.")
        return 0
    VERBS[arguments.verb](arguments, output, held, need_trusting(held.repository))
    return 0


def _key(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.documents import shown_path
    from tinyops.release.secrets import new_key

    made = new_key(arguments.name, repository_root(arguments))
    pem = made.public.to_pem().decode()
    output.note(f"{shown_path(made.path)}: a new private key (mode 0600, ignored by Git). Keep it, and a copy, to you.")
    output.result({"path": str(made.path), "key_id": made.public.key_id, "public": pem}, pem.rstrip("\n"))
    return 0


def _init(arguments: argparse.Namespace, output: Output, _: Held, found: Trusting) -> None:
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.trust_signing import init

    held, made = init(
        found, root_keys=arguments.root, threshold=arguments.threshold, targets_keys=arguments.targets, now=clock()
    )
    _written(arguments, output, found, held, made, "The first root of trust")


def _rotate(arguments: argparse.Namespace, output: Output, _: Held, found: Trusting) -> None:
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.trust_signing import rotate

    named = {"add": arguments.add, "remove": arguments.remove, "threshold": arguments.threshold}
    held = rotate(found, arguments.role, **named, now=clock())
    _written(arguments, output, found, held, [], f"A root with other keys of {arguments.role}")


def _revoke(arguments: argparse.Namespace, output: Output, _: Held, found: Trusting) -> None:
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.trust_signing import revoke

    held, roles = revoke(found, arguments.key, clock())
    said = [f"Taken out of {' and '.join(roles)}. Devices refuse what it signs once the new root is published."]
    _written(arguments, output, found, held, said, f"A root without key {arguments.key}")


def _written(
    arguments: argparse.Namespace, output: Output, found: Trusting, offline: Offline, said: list[str], summary: str
) -> None:
    from tinyops.reconcile.trust_signing import commit_files, progress_lines
    from tinyops.trust.offline import root_progress, save_offline

    files = save_offline(offline)
    if arguments.commit:
        commit_files(found.root, files, summary)
    signed = [{"signed": sorted(one.signed), "threshold": one.threshold} for one in root_progress(offline)]
    value: JsonObject = {"root": len(offline.finished), "proposed": signed, "files": [str(path) for path in files]}
    output.result(value, "\n".join([*said, *progress_lines(offline, files)]))


def _status(_: argparse.Namespace, output: Output, world: Held, found: Trusting) -> None:
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.trust_status import status_lines, trust_status
    from tinyops.reconcile.trusting import awaiting

    now = clock()
    status = trust_status(found, awaiting(world.repository, world.releases, world.release))
    output.result(lambda: status.to_json(now), "\n".join(status_lines(status, now)))


def _sign(arguments: argparse.Namespace, output: Output, world: Held, found: Trusting) -> None:
    from tinyops.documents import shown_path
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.trust_signing import commit_files, sign, summary_of

    done = sign(found, world.releases, world.release, names=arguments.key, dry_run=arguments.dry_run, now=clock())
    if arguments.commit and done.files:
        commit_files(found.root, done.files, summary_of(done))
    lines = [*done.lines, ""]
    if arguments.dry_run:
        lines += ["Nothing was signed."]
    lines += [f"Signed with {key}." for key in done.keys]
    lines += [f"{shown_path(path)}: written." for path in done.files]
    lines += [f"Root: {' and '.join(str(one) for one in done.root)} signatures."] if done.root else []
    if done.targets is not None:
        after = "`tinyops trust publish` offers it" if done.targets.met else "not offered yet"
        lines += [f"Targets: {done.targets} signatures: {after}."]
    value: JsonObject = {
        "keys": [*done.keys],
        "files": [str(path) for path in done.files],
        "root": [{"signed": len(one.signed), "threshold": one.threshold} for one in done.root],
        "targets": {"signed": len(done.targets.signed), "threshold": done.targets.threshold} if done.targets else None,
    }
    output.result(value, "\n".join(lines))


def _publish(_: argparse.Namespace, output: Output, world: Held, found: Trusting) -> None:
    from tinyops.errors import SpecError
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.trusting import deliver_newest

    if world.releases is None or world.release is None:
        raise SpecError("nothing is released yet, so there is nothing to offer", hint="`tinyops apply` releases")
    with world.releases.lease("trust publish") as lease:
        delivery = deliver_newest(world.repository, world.releases, lease, clock())
    assert delivery is not None
    waiting = delivery.awaiting
    text = f"{found.place}: v{delivery.offered} is offered{'' if delivery.changed else ', as before'}."
    output.result(delivery.to_json(), waiting.sentence if waiting else text)


def _refresh(_: argparse.Namespace, output: Output, world: Held, found: Trusting) -> None:
    from tinyops.reconcile.observed import clock
    from tinyops.reconcile.offering import refresh
    from tinyops.reconcile.trust_status import trust_notes

    now = clock()
    published, changed = refresh(found, world.releases, now)
    notes = trust_notes(world.repository, world.releases, world.release, now)
    version = published.offer.version if published.offer else 0
    text = (
        f"{found.place}: {'signed again' if changed else 'nothing is old enough to be signed again'}."
        if version
        else "Nothing is offered."
    )
    output.result({"changed": changed, "offered": version, "notes": notes}, "\n".join([text, *notes]))


VERBS: Mapping[str, Callable[[argparse.Namespace, Output, Held, Trusting], None]] = {
    "init": _init,
    "status": _status,
    "sign": _sign,
    "rotate": _rotate,
    "revoke": _revoke,
    "publish": _publish,
    "refresh": _refresh,
}
