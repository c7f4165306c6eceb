"""Building a rendered PlatformIO project: what the lock wants, the artefacts, their sizes, and why it failed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tinyops.artifacts import Progress, Step
from tinyops.boards.machines import QEMU, place
from tinyops.boards.model import BoardSpec
from tinyops.errors import ToolError
from tinyops.files import JsonObject, cache_folder, canonical_json
from tinyops.firmware import maker_build, pio
from tinyops.firmware.archive import pack
from tinyops.firmware.elf import ElfSizes, check_fit, measure
from tinyops.firmware.fetched import FOLDER, signature_sources
from tinyops.firmware.forms.form import Request, Work
from tinyops.firmware.maker_build import MakerTarget
from tinyops.firmware.project import with_model
from tinyops.firmware.slots import firmware_room
from tinyops.process import Completed, failure
from tinyops.specs.locking import own_pins
from tinyops.toolchain import Tool, locked

TWIN = "twin"  # the environment of a twin that is another machine
BOOTLOADER = "-bootloader"  # what follows the name of an environment in that of its bootloader
SUFFIXES = (".elf", ".bin", ".hex")
PROJECT = "project.zip"  # of a board that its maker's tools build for


def needs_twin_port(spec: BoardSpec) -> bool:
    return spec.twin.kind == "qemu" and not spec.twin.same_machine


def no_variables() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Target:
    """What PlatformIO builds of a project. `own`: the board's own firmware can be built with what the lock names, else
    its project is packed, and built with its maker's platform where the lock pins that one. `variables` are for the
    builder, and raise ToolError for what is missing here."""

    own: bool
    twin_folder: str
    suffixes: tuple[str, ...] = SUFFIXES
    variables: Callable[[], Mapping[str, str]] = no_variables
    maker: MakerTarget | None = None

    def environments(self, request: Request) -> dict[str, str]:
        """The board's own first: each environment's folder in the project."""
        found = {request.board: "."} if self.own else {}
        found |= {TWIN: self.twin_folder} if needs_twin_port(request.spec) else {}
        if request.layout.own_bootloader is not None:
            found |= {f"{env}{BOOTLOADER}": folder for env, folder in found.items()}
        return found


def build(work: Work, target: Target) -> JsonObject:
    """Builds what PlatformIO can of the rendered project, writes it to `work.out`; returns the facts."""
    request = work.request
    files = with_model(work.files, work.inputs) if request.links_model else dict(work.files)
    files |= _fetched(work)
    if not target.own:
        (work.out / PROJECT).write_bytes(pack(_own_files(files)))
    if not target.environments(request) and target.maker is None:
        check_sources(work.step)
        return _facts(None, request, target)
    work.report(Progress(0, 1, f"building firmware for {request.board}"))
    project = cache_folder() / "firmware" / request.fleet / request.board
    with pio.lock_folder(project):
        pio.sync_project(project, files, canonical_json(work.step.lock))
        sizes = _build_all(project, work, target)
    work.report(Progress(1, 1, f"firmware for {request.board} is built"))
    return _facts(sizes, request, target)


def _fetched(work: Work) -> dict[str, bytes]:
    """What no repository holds: others' sources, for whatever checks signatures."""
    if work.request.layout.state is None:
        return {}
    check_sources(work.step)
    found = signature_sources(work.step.lock.get("sources") or {}, work.report)
    return {f"{FOLDER}/{name}": data for name, data in found.items()}


def _build_all(project: Path, work: Work, target: Target) -> ElfSizes:
    """Each with its own tools: what the local platform builds, then what the board's maker's does."""
    sizes: ElfSizes | None = None
    if target.environments(work.request):
        compiler = check_lock(work.step)
        sizes = _build(project, work.request, target, compiler)
        _take(project, work.request, target, work.out)
    if target.maker is not None:
        check_sources(work.step)
        check_platformio(work.step)
        sizes = maker_build.build(project, work.request, target.maker, work.out)
    assert sizes is not None  # one of the two was asked for
    return sizes


def check_lock(step: Step) -> Tool:
    """The locked compiler. Raises ToolError when anything here differs from the lock."""
    check_sources(step)
    check_platformio(step)
    return locked(str(step.lock["compiler"]["name"]), str(step.lock["compiler"]["version"]))


def check_platformio(step: Step) -> None:
    """Raises ToolError where the lock wants another PlatformIO."""
    pio.check_versions({name: str(step.lock[name]) for name in ("platformio", "scons")})


def check_sources(step: Step) -> None:
    """Raises ToolError where the lock wants another tinyops."""
    if step.lock["firmware"] != own_pins().firmware:
        raise ToolError(
            "the lock wants the firmware sources of another version of tinyops",
            hint="install the locked tinyops, or run `tinyops lock` and have the new version reviewed",
        )


def _own_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The board's own project: without that of its twin on another machine."""
    return {name: data for name, data in files.items() if not name.startswith(f"{TWIN}/")}


def _build(project: Path, request: Request, target: Target, compiler: Tool) -> ElfSizes:
    envs = target.environments(request)
    for env, folder in envs.items():
        _remove_artefacts(project / folder, env)
    for folder in dict.fromkeys(envs.values()):
        here = [env for env in envs if envs[env] == folder]
        done = pio.build(project / folder, here, compiler=compiler.path, variables=target.variables())
        if done.returncode != 0:
            raise _explain(done, project, request, target, compiler)
    return check_sizes(project, request, target)


def _explain(done: Completed, project: Path, request: Request, target: Target, compiler: Tool) -> ToolError:
    """Why a build failed. Raises DoesNotFit when it links once nothing is too large."""
    env, folder = next(iter(target.environments(request).items()))
    there = project / folder
    retried = pio.build(there, [env], compiler=compiler.path, measure=True, variables=target.variables())
    if retried.returncode == 0 and _elf(there, env).is_file():
        check_sizes(project, request, target)
    return failure(done, f"{request.board}: PlatformIO")


def check_sizes(project: Path, request: Request, target: Target) -> ElfSizes:
    """What the board's firmware takes; the twin's, where only that is built. Raises DoesNotFit."""
    env, folder = next(iter(target.environments(request).items()))
    layout, memory = request.layout, request.memory
    slots = layout.firmware
    if env == TWIN:
        slots = place(QEMU[request.spec.twin.machine], memory, layout).firmware
    flash = firmware_room(request.board, request.spec, slots)
    sizes = measure(_elf(project / folder, env), flash)
    check_fit(request.board, sizes, flash, memory.ram, layout.stack_bytes)
    return sizes


def _elf(project: Path, env: str) -> Path:
    return project / ".pio" / "build" / env / "firmware.elf"


def _remove_artefacts(project: Path, env: str) -> None:
    """An earlier build's raw copies: objcopy makes them anew from the ELF, or they are missed."""
    for path in _elf(project, env).parent.glob("firmware*"):
        if path.suffix != ".elf":
            path.unlink()


def _take(project: Path, request: Request, target: Target, out: Path) -> None:
    wanted: dict[str, Path] = {}
    for env, folder in target.environments(request).items():
        elf = _elf(project / folder, env)
        wanted |= _artefacts(env, elf, target, two_slots=request.layout.own_bootloader is not None)
    for name, path in wanted.items():
        if not path.is_file() or path.stat().st_size == 0:
            raise ToolError(f"{request.board}: PlatformIO ended well but made no {path.name} in {path.parent.name}")
        shutil.copyfile(path, out / name)


def _artefacts(env: str, elf: Path, target: Target, *, two_slots: bool) -> dict[str, Path]:
    """The files that an environment makes, by the names of the step's outputs."""
    twin, second = env.startswith(TWIN), elf.with_name("firmware_b.elf")
    if env.endswith(BOOTLOADER):
        return (
            {"twin_bootloader.elf": elf} if twin else {"bootloader.elf": elf, "bootloader.bin": elf.with_suffix(".bin")}
        )
    if twin:
        return {"twin.elf": elf, **({"twin_b.elf": second} if two_slots else {})}
    other = {"firmware_b.elf": second, "firmware_b.bin": second.with_suffix(".bin")} if two_slots else {}
    return {**{f"firmware{suffix}": elf.with_suffix(suffix) for suffix in target.suffixes}, **other}


def _facts(sizes: ElfSizes | None, request: Request, target: Target) -> JsonObject:
    return {
        "image": target.own or target.maker is not None,
        "port": request.spec.port,
        "contract": request.contract_digest,
        "flash_bytes": sizes.flash if sizes else None,
        "slot_bytes": request.layout.firmware[0].bytes,
        "static_ram_bytes": sizes.static_ram if sizes else None,
        "arena_bytes": request.layout.arena_bytes,
        "stack_bytes": request.layout.stack_bytes,
        "ram_bytes": request.memory.ram.bytes,
        **({"packages": dict(target.maker.pins)} if target.maker is not None else {}),
    }
