"""As makers' platforms do: the core, the project, what their own tool takes. Options of a board make it fail."""

import time

from SCons.Script import Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
flags = ["-mthumb", f"-mcpu={board.get('build.cpu')}"]
if board.get("build.hangs", ""):
    time.sleep(600)

tools = "arm-none-eabi"
env.Replace(
    AR=f"{tools}-gcc-ar",
    CC=f"{tools}-gcc",
    CXX=f"{tools}-g++",
    LINK=f"{tools}-gcc",
    OBJCOPY=f"{tools}-objcopy",
    RANLIB=f"{tools}-gcc-ranlib",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
)
env.Append(
    CXXFLAGS=["-fno-exceptions", "-fno-rtti"],
    CCFLAGS=[*flags, "-Os", "-g", "-ffunction-sections", "-fdata-sections"],
    LINKFLAGS=[*flags, "--specs=nano.specs", "--specs=nosys.specs", "-nostartfiles", "-Wl,--gc-sections"],
    BUILDERS={"Binary": Builder(action="$OBJCOPY -O binary $SOURCE $TARGET", suffix=".bin")},
)
env.Append(LINKFLAGS=["-Wl,--defsym=maker_built_at=$UNIX_TIME"])  # as Teensy's does
program = env.BuildProgram()
makes = str(board.get("build.makes", "bin"))
Default([program, env.Binary("$BUILD_DIR/firmware", program)] if makes == "bin" else [program])
