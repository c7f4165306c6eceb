"""The local dev platform of PlatformIO: the compiler on PATH, or the registry's for those without one."""

import shutil
from typing import Any

from platformio.platform.base import PlatformBase


class TinyopsPlatform(PlatformBase):  # type: ignore[misc]  # PlatformIO has no types
    """Bare-metal Cortex-M. Asks the registry for nothing when arm-none-eabi-gcc is on PATH."""

    def is_embedded(self) -> bool:
        return True

    def configure_default_packages(self, options: Any, targets: Any) -> None:  # noqa: ARG002
        # Not super(): it wants every uploader there is for `-t upload`.
        arduino = "arduino" in options.get("pioframework", [])
        self.packages["toolchain-gccarmnoneeabi"]["optional"] = arduino or shutil.which("arm-none-eabi-gcc") is not None
