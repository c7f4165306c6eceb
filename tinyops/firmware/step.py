"""The firmware step: contract and board in, the board's firmware and its twin's out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.boards.machines import QEMU, place
from tinyops.boards.model import BoardSpec
from tinyops.errors import SpecError, ToolError
from tinyops.files import MIB, JsonObject, cache_folder, canonical_json, digest_json, pretty_json, read_bounded
from tinyops.firmware import pio
from tinyops.firmware.archive import pack
from tinyops.firmware.elf import ElfSizes, check_fit, measure
from tinyops.firmware.forms import arduino, browser
from tinyops.firmware.project import TWIN, UF2_FAMILIES, builds_here, environments, render_project, with_model
from tinyops.process import Completed, failure
from tinyops.specs.locking import own_pins
from tinyops.toolchain import AVR_CORE_VARIABLE, Tool, find_avr_core, locked

PROJECT = "project.zip"  # of a board that only its maker's tools build for
SUFFIXES = (".elf", ".bin", ".hex")


def _suffixes(spec: BoardSpec) -> tuple[str, ...]:
    return (*SUFFIXES, ".uf2") if spec.port in UF2_FAMILIES else SUFFIXES


def read_contract_file(path: Path) -> JsonObject:
    """A contract.json. Raises SpecError for what is not one."""
    try:
        value = json.loads(read_bounded(path, MIB))
    except ValueError as error:
        raise SpecError(f"{path.name}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SpecError(f"{path.name}: not a contract")
    return value


def run(step: Step, inputs: Mapping[str, Path], out: Path, report: Callable[[Progress], None]) -> JsonObject:
    """Builds the firmware of one board in one fleet; see docs/architecture.md for files and facts."""
    board, fleet = str(step.settings["board"]), str(step.settings["fleet"])
    spec = BoardSpec.model_validate(step.settings["facts"])
    contract = step.settings.get("contract") or read_contract_file(inputs["contract.json"])
    if spec.port == browser.PORT:
        report(Progress(0, 1, f"rendering the page for {board}"))
        facts = browser.build_page(step, spec, contract, out)
        (out / "firmware.json").write_bytes(pretty_json(facts))
        return facts
    if spec.layout is None:
        facts = {"image": False, "port": spec.port, "contract": digest_json(contract)}
        (out / "firmware.json").write_bytes(pretty_json({**facts, "why": "the board runs an operating system"}))
        return facts
    files = render_project(
        board=board, spec=spec, fleet=fleet, sensor=step.settings.get("sensor", {}), contract=contract
    )
    if not spec.layout.model:
        files = with_model(files, inputs)
    if not builds_here(spec):
        (out / PROJECT).write_bytes(pack(own_files(files)))
    if not environments(board, spec):
        check_sources(step)
        return _facts(None, spec, digest_json(contract))
    compiler = check_lock(step)
    report(Progress(0, 1, f"building firmware for {board}"))
    project = cache_folder() / "firmware" / fleet / board
    with pio.lock_folder(project):
        pio.sync_project(project, files, canonical_json(step.lock))
        sizes = _build(project, board, spec, compiler)
        _take(project, board, spec, out)
    report(Progress(1, 1, f"firmware for {board} is built"))
    return _facts(sizes, spec, digest_json(contract))


def check_lock(step: Step) -> Tool:
    """The locked compiler. Raises ToolError when anything here differs from the lock."""
    check_sources(step)
    lock = step.lock
    pio.check_versions({name: str(lock[name]) for name in ("platformio", "scons")})
    return locked(str(lock["compiler"]["name"]), str(lock["compiler"]["version"]))


def check_sources(step: Step) -> None:
    """Raises ToolError where the lock wants another tinyops."""
    if step.lock["firmware"] != own_pins().firmware:
        raise ToolError(
            "the lock wants the firmware sources of another version of tinyops",
            hint="install the locked tinyops, or run `tinyops lock` and have the new version reviewed",
        )


def own_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The board's own project: without that of its twin on another machine."""
    return {name: data for name, data in files.items() if not name.startswith(f"{TWIN}/")}


def _variables(spec: BoardSpec) -> dict[str, str]:
    """What the builder must find on this machine. Raises ToolError at once for what is missing."""
    if spec.port != "arduino" or not arduino.builds_locally(spec):
        return {}
    return {AVR_CORE_VARIABLE: str(find_avr_core().path)}


def _build(project: Path, board: str, spec: BoardSpec, compiler: Tool) -> ElfSizes:
    envs = environments(board, spec)
    for env, folder in envs.items():
        _remove_artefacts(project / folder, env)
    for folder in dict.fromkeys(envs.values()):
        here = [env for env in envs if envs[env] == folder]
        done = pio.build(project / folder, here, compiler=compiler.path, variables=_variables(spec))
        if done.returncode != 0:
            raise _explain(done, project, board, spec, compiler)
    return _check(project, board, spec)


def _explain(done: Completed, project: Path, board: str, spec: BoardSpec, compiler: Tool) -> ToolError:
    """Why a build failed. Raises DoesNotFit when it links once nothing is too large."""
    env, folder = next(iter(environments(board, spec).items()))
    place = project / folder
    retried = pio.build(place, [env], compiler=compiler.path, measure=True, variables=_variables(spec))
    if retried.returncode == 0 and _elf(place, env).is_file():
        _check(project, board, spec)
    return failure(done, f"{board}: PlatformIO")


def _check(project: Path, board: str, spec: BoardSpec) -> ElfSizes:
    """What the board's firmware takes; the twin's, where only that is built."""
    assert spec.layout is not None and spec.memory is not None
    env, folder = next(iter(environments(board, spec).items()))
    flash = spec.layout.firmware[0]
    if env == TWIN:
        flash = place(QEMU[spec.twin.machine], spec.memory, spec.layout).firmware
    sizes = measure(_elf(project / folder, env), flash)
    check_fit(board, sizes, flash, spec.memory.ram, spec.layout.stack_bytes)
    return sizes


def _elf(project: Path, env: str) -> Path:
    return project / ".pio" / "build" / env / "firmware.elf"


def _remove_artefacts(project: Path, env: str) -> None:
    """An earlier build's raw copies: objcopy makes them anew from the ELF, or they are missed."""
    for suffix in (*SUFFIXES[1:], ".uf2"):
        _elf(project, env).with_suffix(suffix).unlink(missing_ok=True)


def _take(project: Path, board: str, spec: BoardSpec, out: Path) -> None:
    wanted: dict[str, Path] = {}
    for env, folder in environments(board, spec).items():
        elf = _elf(project / folder, env)
        made = {"twin.elf": elf} if env == TWIN else {f"firmware{s}": elf.with_suffix(s) for s in _suffixes(spec)}
        wanted |= made
    for name, path in wanted.items():
        if not path.is_file() or path.stat().st_size == 0:
            raise ToolError(f"{board}: PlatformIO ended well but made no {path.name} in {path.parent.name}")
        shutil.copyfile(path, out / name)


def _facts(sizes: ElfSizes | None, spec: BoardSpec, contract: str) -> JsonObject:
    assert spec.layout is not None and spec.memory is not None
    return {
        "image": builds_here(spec),
        "port": spec.port,
        "contract": contract,
        "flash_bytes": sizes.flash if sizes else None,
        "slot_bytes": spec.layout.firmware[0].bytes,
        "static_ram_bytes": sizes.static_ram if sizes else None,
        "arena_bytes": spec.layout.arena_bytes,
        "stack_bytes": spec.layout.stack_bytes,
        "ram_bytes": spec.memory.ram.bytes,
    }
