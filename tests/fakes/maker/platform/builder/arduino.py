"""The framework: its core, compiled into the firmware, and the core's linker script."""

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
core = env.PioPlatform().get_package_dir("framework-maker") + "/core"
env.Append(CPPPATH=[core], CPPDEFINES=["ARDUINO_ARCH_STM32"], LINKFLAGS=[f"-Wl,-T,{core}/link.ld"])
env.BuildSources("$BUILD_DIR/FrameworkMaker", core)
