"""Firmware that is no PlatformIO project: one file a form."""
