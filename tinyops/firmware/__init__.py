"""Firmware: a PlatformIO project rendered for one board in one fleet, built and measured."""

from tinyops.files import cache_folder
from tinyops.firmware.forms.registry import render_project
from tinyops.firmware.pio import dev_platform
from tinyops.firmware.step import run

__all__ = ["cache_folder", "dev_platform", "render_project", "run"]
