"""What the verbs that edit specs share: their arguments, the difference on the terminal, what to do next."""

from __future__ import annotations

import argparse
import difflib
import os
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_lock, add_repository
from tinyops.cli.output import Output

if TYPE_CHECKING:
    from tinyops.reconcile.verbs import Edit
    from tinyops.reconcile.world import World


def add_edit(parser: argparse.ArgumentParser) -> None:
    add_repository(parser)
    add_lock(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the edit and leave the file as it is")
    parser.add_argument("--commit", action="store_true", help="commit the edit, and nothing else, with Git")


def finish(world: World, edit: Edit, arguments: argparse.Namespace, output: Output) -> int:
    """Carries an edit out and shows it."""
    from tinyops.reconcile.edits import carry_out

    name = os.path.relpath(edit.path)
    if not arguments.dry_run:
        carry_out(world, edit, commit=arguments.commit)
    difference = difflib.unified_diff(edit.before.splitlines(), edit.after.splitlines(), name, name, lineterm="", n=1)
    done = "nothing was written" if arguments.dry_run else "committed" if arguments.commit else "written"
    text = "\n".join([*difference, "", f"{edit.summary}: {done}. `tinyops plan` shows what it does."])
    value = {"file": name, "summary": edit.summary, "written": not arguments.dry_run, "committed": arguments.commit}
    output.result(value, text)
    return 0
