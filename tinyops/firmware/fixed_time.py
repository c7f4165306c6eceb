"""Run by PlatformIO before a maker's builder: some link the time of the build into the firmware."""

from SCons.Script import Import  # type: ignore[import-untyped]

Import("env")
globals()["env"].Replace(UNIX_TIME=0)
