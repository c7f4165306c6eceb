"""The framework `arduino` of the local platform: the core as a library of its own, without its warnings."""

import os

from SCons.Script import Import  # type: ignore[import-untyped]

Import("env")
env = globals()["env"]  # what SCons has just put there
core = os.environ["TINYOPS_ARDUINO_AVR"]
folders = [f"{core}/cores/arduino", f"{core}/variants/{env.BoardConfig().get('build.variant')}"]

theirs = env.Clone()
theirs.Append(CPPPATH=folders, CCFLAGS=["-w"])
library = theirs.BuildLibrary("$BUILD_DIR/FrameworkArduino", folders[0])
env.Prepend(LIBS=[library])
# Ours: every warning is an error; core.h keeps out those of the headers that are not ours.
env.Append(
    CPPPATH=folders,
    CFLAGS=["-Waddr-space-convert"],
    CCFLAGS=[
        *("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"),
    ],
)
