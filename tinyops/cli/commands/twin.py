"""`tinyops twin`: a virtual board with a console, and a serial port that other programs open."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tinyops.cli.arguments import add_repository, repository_root
from tinyops.cli.models import BOARD_HELP, COMPILING, add_prefer, boards_here, check_start, find_board
from tinyops.cli.output import Output
from tinyops.errors import TinyopsError, UsageError

if TYPE_CHECKING:
    from tinyops.boards.model import Board
    from tinyops.files import JsonObject
    from tinyops.link import ByteStream
    from tinyops.reconcile.world import World
    from tinyops.twin import Replay, Twin
    from tinyops.twin.console import Console
    from tinyops.twin.terminal import Terminal

# What an image of the user's takes the place of, by the end of its name.
IMAGES = {".bin": "model.bin", ".elf": "firmware.elf", ".so": "model.so", ".wasm": "model.wasm"}
PROMPT = "{} > "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("board", metavar="BOARD", help=f"{BOARD_HELP}; or a fleet with a chain: all of its parts")
    parser.add_argument(
        "image",
        nargs="?",
        type=Path,
        metavar="IMAGE",
        help="a .tflite, built for the board with a firmware; or a model.bin, model.so, model.wasm or firmware.elf in "
        "place of the released one; or the folder of a collector that `tinyops collect firmware … --build` made "
        "(default: what the last release holds)",
    )
    add_repository(parser)
    parser.add_argument("--fleet", metavar="FLEET", help="whose release (default: the only one with this board)")
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep the board's flash here from boot to boot")
    parser.add_argument(
        "--bootloader",
        action="store_true",
        help="with the board's own bootloader, into which it goes whenever a program opens its port: to be flashed",
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="its sensor measures what this recording holds: .csv, .npy, .wav, .take, …, in the units of the dataset",
    )
    parser.add_argument(
        "--rate",
        type=float,
        metavar="HZ",
        help="samples of it a second; 0: as fast as the board takes them (default: what its firmware asks for)",
    )
    parser.add_argument("--loop", action="store_true", help="begin the recording again at its end")
    parser.add_argument(
        "--loss", type=float, metavar="SHARE", help="of a chain: its links lose that share (default: what is declared)"
    )
    parser.add_argument("--serial", default="", metavar="TEXT", help="its chip's own number is made of this")
    parser.add_argument("--pty-only", action="store_true", help="no console: print the serial port, run until Ctrl-C")
    add_prefer(parser)


def run(arguments: argparse.Namespace, output: Output) -> int:
    if arguments.image is not None and not arguments.image.exists():
        raise UsageError(f"{arguments.image}: no such file")
    if arguments.replay is None and (arguments.rate is not None or arguments.loop):
        raise UsageError("there is no recording to replay", hint="--replay FILE")
    chained = _world_of_chain(arguments)
    if chained is not None:
        return _run_chain(chained, arguments, output)
    if arguments.loss is not None:
        raise UsageError(f"{arguments.board} is a board: it has no links", hint="name a fleet with a chain")
    with tempfile.TemporaryDirectory(prefix="tinyops-twin-") as folder:
        board, files, fleet = _files(arguments, output, Path(folder))
        from tinyops.twin import open_twin

        with open_twin(
            board.name,
            board.spec,
            files,
            replay=_replay(arguments, files),
            state=arguments.state,
            bootloader=arguments.bootloader,
            serial=arguments.serial,
            fleet=fleet,
        ) as virtual:
            return _serve(virtual, arguments, output, board.spec.settle_s if arguments.bootloader else 0.0)


def _world_of_chain(arguments: argparse.Namespace) -> World | None:
    """The repository, where BOARD is none and names a fleet there; None else."""
    if arguments.image is not None or arguments.board in boards_here():
        return None
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments))
    return world if arguments.board in world.fleets else None


def _chains(world: World) -> list[str]:
    return sorted(name for name, fleet in world.fleets.items() if fleet.spec.chain is not None)


def _run_chain(world: World, arguments: argparse.Namespace, output: Output) -> int:
    """All parts of a fleet's chain, as the last release has them."""
    alone = ("fleet", "state", "bootloader", "serial", "pty_only")
    for name in alone:
        if getattr(arguments, name):
            raise UsageError(f"--{name.replace('_', '-')} is of a single board", hint="name a board, not a fleet")
    if arguments.loss is not None and not 0 <= arguments.loss < 1:
        raise UsageError(f"--loss {arguments.loss:g}: not a share from 0 to below 1")
    from dataclasses import replace

    from tinyops.reconcile.virtual import released_chain
    from tinyops.twin.chain_console import ChainConsole
    from tinyops.twin.chain_step import read_chain, terms_of
    from tinyops.twin.chained import open_chain
    from tinyops.twin.step import check_replay

    found = released_chain(world, arguments.board)
    split, parts = read_chain(found.step, found.files)
    output.note(f"{arguments.board}, {found.tag}: {', '.join(f'{p.name} on {p.board}' for p in parts)}")
    terms = [terms_of(link) for link in split.links]
    if arguments.loss is not None:
        terms = [replace(one, loss=arguments.loss) for one in terms]
    if arguments.replay is not None:
        check_replay(parts[0].board, parts[0].spec)
    recording = _replay(arguments, parts[0].files)
    with open_chain(arguments.board, parts, terms, fleet=arguments.board, replay=recording) as chain:
        chain.link.wait_ready()
        _say(output, f"{arguments.board} is up: {len(parts)} parts", {"chain": arguments.board, "set": split.set})
        with contextlib.suppress(KeyboardInterrupt):
            console = ChainConsole(chain)
            if sys.stdin.isatty():
                _talk(console, chain, output)
            else:
                _obey(console, output)
    return 0


def _files(arguments: argparse.Namespace, output: Output, folder: Path) -> tuple[Board, dict[str, Path], str]:
    """The board, what its twin runs, and of which fleet that is."""
    image: Path | None = arguments.image
    if image is not None and image.suffix == ".tflite":
        check_start(image, COMPILING)
        from tinyops.build.virtual import build_board

        catalog = boards_here()
        board = find_board(arguments.board, catalog)
        _check_twin(board, arguments)
        files = build_board(
            image,
            board,
            catalog,
            folder,
            prefer=arguments.prefer,
            report=lambda progress: output.note(f"{progress.message} …"),
        )
        return board, files, ""
    if image is not None and image.is_dir():
        board = find_board(arguments.board, boards_here())
        _check_twin(board, arguments)
        from tinyops.firmware.collector import collecting

        alone = board.model_copy(update={"spec": collecting(board.spec)})  # it lies where a bootloader of ours would
        return alone, _collector(image, board), ""
    from tinyops.reconcile.virtual import released_board
    from tinyops.reconcile.world import observe

    world = observe(repository_root(arguments))
    board = find_board(arguments.board, world.catalog, _chains(world))
    _check_twin(board, arguments)
    found = released_board(world, board.name, arguments.fleet)
    output.note(f"{board.name} of {found.fleet}, {found.tag}")
    if arguments.replay is not None:
        from tinyops.twin.step import check_reads

        check_reads(board.name, board.spec, world.fleets[found.fleet].spec.targets[board.name].sensor)
    layout, twin = board.spec.layout, board.spec.twin
    if twin is not None and not twin.same_machine and layout is not None and layout.own_bootloader is not None:
        output.note("its firmware is linked for the emulator: update its model alone, a released firmware stops it")
    return board, found.files | _replaced(image), found.fleet


def _collector(folder: Path, board: Board) -> dict[str, Path]:
    """Files of a collector, by the names that a twin knows. Raises UsageError for another folder."""
    from tinyops.build.collector import CONTRACT

    files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    runs = "firmware.elf" if board.spec.twin.same_machine else "twin.elf"
    for wanted, hint in ((CONTRACT, "`tinyops collect firmware` makes one"), (runs, "make it with --build")):
        if wanted not in files:
            raise UsageError(f"{folder}: no collector of {board.name}: it holds no {wanted}", hint=hint)
    return files | {"contract.json": files[CONTRACT]}


def _check_twin(board: Board, arguments: argparse.Namespace) -> None:
    """Before anything is built: raises SpecError for a board without a twin, ToolError for what else is missing."""
    from tinyops.toolchain import installed
    from tinyops.twin.kinds import kind_of
    from tinyops.twin.step import check_bootloader, check_replay

    kind_of(board.name, board.spec)
    if arguments.replay is not None:
        check_replay(board.name, board.spec)
    if arguments.bootloader:
        check_bootloader(board.name, board.spec)
    if board.spec.emulator:
        installed(board.spec.emulator)


def _replay(arguments: argparse.Namespace, files: Mapping[str, Path]) -> Replay | None:
    """The recording, as the sensor that the model's contract names would have measured it."""
    if arguments.replay is None:
        return None
    if not arguments.replay.is_file():
        raise UsageError(f"{arguments.replay}: no such file")
    from tinyops.twin.recorded import read_replay, signal_of
    from tinyops.twin.step import read_contract

    signal = signal_of(read_contract(files["contract.json"]))
    return read_replay(arguments.replay, signal, rate_hz=arguments.rate, loop=arguments.loop)


def _replaced(image: Path | None) -> dict[str, Path]:
    if image is None:
        return {}
    if image.suffix not in IMAGES:
        raise UsageError(f"{image}: no image of a board", hint=f"one that ends in .tflite, {', '.join(IMAGES)}")
    return {IMAGES[image.suffix]: image}


def _serve(virtual: Twin, arguments: argparse.Namespace, output: Output, settle_s: float) -> int:
    from tinyops.twin.console import Console

    with _terminal(virtual, reset_at_open=arguments.bootloader) as terminal:
        console = Console(virtual, terminal, settle_s)
        if arguments.bootloader:
            time.sleep(settle_s)  # there may be no firmware that would answer
        else:
            console.hello()
        path = terminal.path if terminal else None
        port = f"its serial port is {path}" if path else "it has no serial port"
        _say(output, f"{virtual.name} is up; {port}", {"board": virtual.name, "pty": path})
        with contextlib.suppress(KeyboardInterrupt):
            if arguments.pty_only:
                signal.signal(signal.SIGTERM, signal.default_int_handler)
                signal.pause()
            elif sys.stdin.isatty():
                _talk(console, virtual, output)
            else:
                _obey(console, output)
    return 0


@contextlib.contextmanager
def _terminal(virtual: Twin, *, reset_at_open: bool) -> Iterator[Terminal | None]:
    from tinyops.link import Link
    from tinyops.twin.terminal import Terminal

    def stream() -> ByteStream:
        assert isinstance(virtual.link, Link)
        return virtual.link.stream

    if not isinstance(virtual.link, Link):
        yield None
        return
    terminal = Terminal(virtual.name, stream, opened=virtual.reset if reset_at_open else None)
    try:
        yield terminal
    finally:
        terminal.close()


def _talk(console: Console, virtual: Twin, output: Output) -> None:
    """With a person: an error is said, and the next command is asked for, as long as there is a board."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (input() gets a history by it)
    _say(output, "`help` lists the commands", {})
    while True:
        try:
            line = input(PROMPT.format(virtual.name))
        except EOFError:
            return
        try:
            if line.strip() and not _do(console, line, output):
                return
        except TinyopsError as error:
            output.error(error)
            if virtual.how_it_ended():
                return


def _obey(console: Console, output: Output) -> None:
    """With a program: the first error ends it, as in a script."""
    for line in sys.stdin:
        if line.strip() and not line.startswith("#") and not _do(console, line, output):
            return


def _do(console: Console, line: str, output: Output) -> bool:
    said = console.do(line)
    if said is not None:
        _say(output, said.text, {"command": line.strip(), **said.value})
    return said is not None


def _say(output: Output, text: str, value: JsonObject) -> None:
    """With --json a line for each answer."""
    import json

    if output.json and value:
        sys.stdout.write(json.dumps(value) + "\n")
    elif not output.json:
        output.result({}, text)
    sys.stdout.flush()
