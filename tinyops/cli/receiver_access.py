"""Which receiver a command pushes to, and what lets it in."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.errors import UsageError
from tinyops.files import read_bounded

if TYPE_CHECKING:
    from tinyops.collect.pushing import Receiver

TOKEN_LIMIT_BYTES = 4096
PATIENCE_S = 600.0


def add_receiver(parser: argparse._ActionsContainer, option: str, *, required: bool = False) -> None:
    """`option` names the receiver; the token, the patience and --insecure come with it."""
    add = parser.add_argument
    add(option, required=required, metavar="URL", help="the receiver: https://collect.example.org:8444")
    add("--token-file", required=required, type=Path, metavar="FILE", help="what lets this machine in, one line")
    add("--patience", type=float, default=PATIENCE_S, metavar="S", help="give up after so long without an answer")
    add("--insecure", action="store_true", help="over http:// on a network where everybody may read along")


def open_receiver(arguments: argparse.Namespace, url: str, on_event: Callable[[str], None]) -> Receiver:
    """Asks nothing yet. Raises UsageError for an address or a token that cannot be meant, ToolError for no file."""
    from tinyops.collect.pushing import Receiver

    if arguments.token_file is None:
        raise UsageError(f"{url}: --token-file says what lets this machine in")
    token = read_bounded(arguments.token_file, TOKEN_LIMIT_BYTES).decode(errors="replace").split()
    return Receiver(
        url,
        token[0] if token else "",
        patience_s=arguments.patience,
        is_insecure=arguments.insecure,
        on_event=on_event,
    )
