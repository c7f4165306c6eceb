"""The local dev platform of PlatformIO: the compiler on PATH, or the registry's for those without Arm's."""

import shutil
from typing import Any

from platformio.platform.base import PlatformBase


class TinyopsPlatform(PlatformBase):  # type: ignore[misc]  # PlatformIO has no types
    """Bare metal. Asks the registry for nothing when arm-none-eabi-gcc is on PATH."""

    def is_embedded(self) -> bool:
        return True

    def configure_default_packages(self, options: Any, targets: Any) -> None:  # noqa: ARG002
        # Not super(): it wants every uploader there is for `-t upload`.
        foreign = self.board_config(options["board"]).get("build.tools", "") != "arm-none-eabi"
        self.packages["toolchain-gccarmnoneeabi"]["optional"] = foreign or shutil.which("arm-none-eabi-gcc") is not None
