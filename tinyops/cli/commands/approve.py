"""`tinyops approve`: sign a plan that moves protected fleets."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.commands.apply import read_plan
from tinyops.cli.output import Output
from tinyops.plan.render import plan_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    parser.add_argument("plan", type=Path, metavar="PLAN", help="the plan file; its approval is written beside it")
    parser.add_argument("--key", required=True, metavar="NAME", help="the secret with your key, such as APPROVER_KEY")


def run(arguments: argparse.Namespace, output: Output) -> int:
    from tinyops.documents import shown_path
    from tinyops.reconcile.approving import approval_path, sign_plan

    plan = read_plan(arguments.plan)
    path = approval_path(arguments.plan)
    envelope, key = sign_plan(repository_root(arguments), plan, arguments.key, path)
    count = len(envelope.signatures)
    lines = [plan_text(plan), "", f"{shown_path(path)}: approved with key {key.public.key_id[:16]}, {count} in all."]
    value = {"plan": plan.digest, "key": key.public.key_id, "approvals": count, "file": str(path)}
    output.result(value, "\n".join(lines))
    return 0
