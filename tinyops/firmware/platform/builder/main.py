"""Builds firmware.elf, .bin and .hex; the same bytes in any folder at any time. Run by SCons within PlatformIO."""

import os
import runpy
from pathlib import Path
from typing import Any

from SCons.Script import Builder, Default, DefaultEnvironment, Return  # type: ignore[import-untyped]

env = DefaultEnvironment()
board = env.BoardConfig()
if board.get("build.cpu") == "avr":
    env.SConscript(f"{env.PioPlatform().get_dir()}/builder/avr.py", exports="env")
    Return()
cpu_flags = list(board.get("build.cpu_flags"))
tools = board.get("build.tools")
library = ["--specs=nano.specs", "-nostartfiles"] if board.get("build.c_library") else ["-nostdlib", "-static"]
project = env.subst("$PROJECT_DIR")
script = f"{project}/{board.get('build.ldscript')}"

COPIES = {".bin": "binary", ".hex": "ihex"}


def objcopy(kind: str) -> object:
    """The action that writes the ELF's flash content in another format."""
    return env.VerboseAction(f"$OBJCOPY -O {kind} $SOURCE $TARGET", "Writing $TARGET")


# tinyops/firmware/uf2.py; PlatformIO may run where tinyops is not installed
uf2 = runpy.run_path(str(Path(env.PioPlatform().get_dir()).resolve().parent / "uf2.py"))


def seal(target: Any, source: Any, env: Any) -> None:  # noqa: ARG001  SCons names them
    """Writes the checksum that the boot ROM demands into the second stage."""
    elf = Path(target[0].get_path())
    elf.write_bytes(uf2["seal_boot2"](elf.read_bytes()))


def write_uf2(target: Any, source: Any, env: Any) -> None:  # noqa: ARG001
    """The binary as a file for the boot ROM's disk; flash starts where the linker put the second stage."""
    data = Path(source[0].get_path()).read_bytes()
    packed = uf2["pack_uf2"](data, board.get("build.flash_origin"), board.get("build.uf2_family"))
    Path(target[0].get_path()).write_bytes(packed)


env["ENV"]["SOURCE_DATE_EPOCH"] = "0"
env.Replace(
    AR=f"{tools}-gcc-ar",
    AS=f"{tools}-as",
    CC=f"{tools}-gcc",
    CXX=f"{tools}-g++",
    LINK=f"{tools}-gcc",
    OBJCOPY=f"{tools}-objcopy",
    RANLIB=f"{tools}-gcc-ranlib",
    SIZETOOL=f"{tools}-size",
    ARFLAGS=["rcsD"],
    RANLIBFLAGS=["-D"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    CFLAGS=["-std=c99"],
    CCFLAGS=[
        *cpu_flags,
        "-Os",
        "-g",
        "-ffreestanding",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-common",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wconversion",
        "-Werror",
        f"-ffile-prefix-map={project}=/src",  # substituted here: SCons would split a folder's name at a space
    ],
    LINKFLAGS=[
        *cpu_flags,
        "-Os",
        *library,
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
        "-Wl,--fatal-warnings",
        "-Wl,-n",  # no headers of the ELF within what is loaded
        "-Wl,-T," + script,
    ],
    BUILDERS={f"Copy_{kind}": Builder(action=objcopy(kind), suffix=suffix) for suffix, kind in COPIES.items()},
)
if os.environ.get("TINYOPS_MEASURE"):
    env.Append(LINKFLAGS=["-Wl,--defsym=tinyops_measure=1"])
    board.update("upload.maximum_size", 0)  # PlatformIO's own check would fail the build

if not board.get("build.c_library"):
    env.Append(LIBS=["gcc"])


def build_model(env: Any, node: Any) -> Any:
    """A model that is linked in is optimised as its image would be."""
    return env.Object(node, CCFLAGS=[*env["CCFLAGS"], "-O2"])


def build_fetched(env: Any, node: Any) -> Any:
    """Others' sources have their own idea of warnings."""
    return env.Object(node, CCFLAGS=[*env["CCFLAGS"], "-w"])


env.AddBuildMiddleware(build_model, "*/src/model/*")


def build_apart(env: Any, node: Any) -> Any:
    """What the compiler itself may call must be there when it optimises the whole program."""
    return env.Object(node, CCFLAGS=[*env["CCFLAGS"], "-fno-lto"])


if board.get("build.whole_program", False):
    # Sections again: a function that is written in assembly has its literals near.
    whole = ["-flto", "-ffunction-sections", "-fdata-sections"]
    env.Append(CCFLAGS=["-flto"], LINKFLAGS=[*whole, f"-ffile-prefix-map={project}=/src"])
    env.AddBuildMiddleware(build_apart, "*/memory.c")
if board.get("build.scarce_flash", False):
    apart = ["-fno-inline-functions-called-once"]  # smaller by measurement
    env.Append(CCFLAGS=apart, LINKFLAGS=apart)
env.AddBuildMiddleware(build_fetched, "*/src/fetched/*")
program = env.BuildProgram()
env.Depends(program, script)
copies = [getattr(env, f"Copy_{kind}")("$BUILD_DIR/firmware", program) for kind in COPIES.values()]
if second := board.get("build.ldscript_b", ""):
    # The same objects, linked for the other slot.
    flags = [f"-Wl,-T,{project}/{second}" if flag == f"-Wl,-T,{script}" else flag for flag in env["LINKFLAGS"]]
    other = env.Program("$BUILD_DIR/firmware_b.elf", env["PIOBUILDFILES"], LINKFLAGS=flags)
    env.Depends(other, f"{project}/{second}")
    copies += [other, env.Copy_binary("$BUILD_DIR/firmware_b", other)]
if board.get("build.seal_boot2", False):
    env.AddPostAction(program, env.VerboseAction(seal, "Sealing the second stage"))
if board.get("build.uf2_family", 0):
    action = env.VerboseAction(write_uf2, "Writing $TARGET")
    copies.append(env.Command("$BUILD_DIR/firmware.uf2", "$BUILD_DIR/firmware.bin", action))
Default([program, *copies])
