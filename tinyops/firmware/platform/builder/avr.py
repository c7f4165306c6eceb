"""Builds firmware.elf, .bin and .hex for AVR with the Arduino core of this machine. Run by SCons within PlatformIO."""

import os

from SCons.Script import Builder, Default, Import  # type: ignore[import-untyped]

Import("env")
env = globals()["env"]  # what SCons has just put there
board = env.BoardConfig()
cpu_flags = list(board.get("build.cpu_flags"))
project = env.subst("$PROJECT_DIR")
COPIES = {".bin": "-O binary -R .eeprom", ".hex": "-O ihex -R .eeprom"}


def objcopy(options: str) -> object:
    """The action that writes the ELF's flash content in another format."""
    return env.VerboseAction(f"$OBJCOPY {options} $SOURCE $TARGET", "Writing $TARGET")


env["ENV"]["SOURCE_DATE_EPOCH"] = "0"
env.Replace(
    AR="avr-gcc-ar",
    AS="avr-as",
    CC="avr-gcc",
    CXX="avr-g++",
    LINK="avr-gcc",
    OBJCOPY="avr-objcopy",
    RANLIB="avr-gcc-ranlib",
    SIZETOOL="avr-size",
    ARFLAGS=["rcsD"],
    RANLIBFLAGS=["-D"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    ASPPFLAGS=cpu_flags,  # the core has assembly
    CFLAGS=["-std=gnu99"],  # C99 with __flash
    CXXFLAGS=["-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics"],
    CPPDEFINES=[
        ("F_CPU", board.get("build.f_cpu")),
        ("ARDUINO", "10808"),
        f"ARDUINO_{board.get('build.macro')}",
        "ARDUINO_ARCH_AVR",
        ("DECIMAL_DIG", "__DECIMAL_DIG__"),  # the core's Print.cpp wants it, this libc has no such name
    ],
    CCFLAGS=[
        *cpu_flags,
        "-Os",
        "-g",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-common",
        f"-fdebug-prefix-map={project}=/src",  # this old compiler knows no other map
    ],
    LINKFLAGS=[*cpu_flags, "-Os", "-Wl,--gc-sections", "-Wl,--build-id=none"],
    BUILDERS={f"Copy_{kind[1:]}": Builder(action=objcopy(text), suffix=kind) for kind, text in COPIES.items()},
)
if os.environ.get("TINYOPS_MEASURE"):
    memories = {"TEXT": 0x800000, "DATA": 0xC000}  # as much as the core's addresses reach
    env.Append(LINKFLAGS=[f"-Wl,--defsym=__{name}_REGION_LENGTH__={size:#x}" for name, size in memories.items()])
    board.update("upload.maximum_size", 0)  # PlatformIO's own check would fail the build

program = env.BuildProgram()
copies = [getattr(env, f"Copy_{kind[1:]}")("$BUILD_DIR/firmware", program) for kind in COPIES]
Default([program, *copies])
