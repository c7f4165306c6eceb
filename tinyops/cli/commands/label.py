"""`tinyops label`: a page on this machine that shows a dataset's recordings, and on which they are labelled."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.data_notes import note_added
from tinyops.cli.output import Output
from tinyops.errors import ToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tinyops.label.suggestions import ModelFiles

PORT_MAX = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a dataset with a source of kind recordings")
    add_repository(parser)
    parser.add_argument("--model", metavar="MODEL", help="whose suggestions are shown (default: the first built one)")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="of 127.0.0.1 (default: one that is free)")
    parser.add_argument("--no-open", action="store_true", help="open no browser: only say the address")


def run(arguments: argparse.Namespace, output: Output) -> int:
    try:
        from tinyops.label.opening import open_labelling
        from tinyops.receiver.serving import Listening, serve
    except ModuleNotFoundError as error:
        raise ToolError(f"the page needs {error.name}", hint="pip install 'tinyops[receiver,data]'") from error
    from tinyops.reconcile.world import load_world_catalog, parse_cache
    from tinyops.specs.loader import load_repository
    from tinyops.specs.recorded import recorded

    if not 0 <= arguments.port <= PORT_MAX:
        raise UsageError(f"--port {arguments.port} is none", hint=f"0 to {PORT_MAX}")
    root = repository_root(arguments)
    repository = load_repository(root, catalog=load_world_catalog(root), cache=parse_cache(root))
    if arguments.model is not None and arguments.model not in repository.models:
        known = ", ".join(repository.models) or "none"
        raise UsageError(f"there is no model {arguments.model!r}"[:100], hint=f"models: {known}")
    opened = open_labelling(repository, arguments.dataset, _finder(root, arguments))
    number = len(opened.session.state().entries)

    def ready(address: str) -> None:
        url = address + opened.path
        text = f"{arguments.dataset}: {number:,} pieces in {opened.session.index.name}, at\n  {url}\nCtrl-C ends it."
        value = {"dataset": arguments.dataset, "entries": number, "url": url}
        sys.stdout.write((json.dumps(value) if output.json else text) + "\n")
        sys.stdout.flush()
        if not arguments.no_open:
            _open(url)

    try:
        serve(opened.app, Listening("127.0.0.1", arguments.port, connections_max=64), ready)
    finally:
        opened.suggestions.stop()
    dataset = recorded(root.resolve(), repository.datasets[arguments.dataset])
    note_added(root, dataset, opened.session.added(), output.note)
    changes = len(opened.session.history.done)
    said = f"{changes} changes in {opened.session.index}; `git diff` shows them"
    output.note(said if changes else "nothing was changed")
    return 0


def _finder(root: Path, arguments: argparse.Namespace) -> Callable[[], ModelFiles]:
    """Brings the model when the page is up already."""

    def find() -> ModelFiles:
        from tinyops.label.suggestions import ModelFiles
        from tinyops.reconcile.current_model import current_model

        found = current_model(root, arguments.dataset, arguments.model)
        return ModelFiles(found.name, found.origin, found.int8, found.features)

    return find


def _open(url: str) -> None:
    """In a window, where there are any; a browser for terminals would take this one."""
    if sys.platform != "darwin" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
