"""The journal's tables. A change of their shape gets a new SCHEMA: an older journal is then set aside, not read."""

from __future__ import annotations

from typing import Final

ABOUT: Final = "schema"
SCHEMA: Final = "tinyops/gateway-journal/v1"

DDL: Final = (
    "CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    # One row a device, by the name that it was enrolled with.
    """CREATE TABLE IF NOT EXISTS devices (
        device TEXT PRIMARY KEY, address TEXT NOT NULL, silicon TEXT NOT NULL, fleet TEXT NOT NULL,
        board TEXT NOT NULL, seen_s INTEGER NOT NULL, sequence INTEGER NOT NULL DEFAULT 0,
        running TEXT NOT NULL DEFAULT '', health TEXT NOT NULL DEFAULT '', last_update TEXT NOT NULL DEFAULT '',
        crash TEXT NOT NULL DEFAULT '') STRICT""",
    # Who answered last at an address: tells a swap of boards over a restart of the gateway, too.
    "CREATE TABLE IF NOT EXISTS places (address TEXT PRIMARY KEY, device TEXT NOT NULL, silicon TEXT NOT NULL) STRICT",
    # What is wrong at an address, so that it is told once.
    "CREATE TABLE IF NOT EXISTS troubles (address TEXT PRIMARY KEY, trouble TEXT NOT NULL) STRICT",
    # Images on their way; open ones have no end yet. `trials`: how often it was put on trial.
    """CREATE TABLE IF NOT EXISTS steps (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, address TEXT NOT NULL, image TEXT NOT NULL,
        offer TEXT NOT NULL, version INTEGER NOT NULL, phase TEXT NOT NULL, trials INTEGER NOT NULL DEFAULT 0,
        begun_s INTEGER NOT NULL, ended_s INTEGER, result TEXT) STRICT""",
    "CREATE INDEX IF NOT EXISTS steps_of ON steps (device, id)",
    # Images that a device is not brought again while the offer is the same.
    """CREATE TABLE IF NOT EXISTS given_up (
        device TEXT NOT NULL, image TEXT NOT NULL, offer TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (device, image)) STRICT""",
    """CREATE TABLE IF NOT EXISTS offers (
        fleet TEXT NOT NULL, board TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL,
        PRIMARY KEY (fleet, board)) STRICT""",
    "CREATE TABLE IF NOT EXISTS models (image TEXT PRIMARY KEY, about TEXT NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS samples (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, time_s INTEGER NOT NULL,
        health TEXT NOT NULL) STRICT""",
    "CREATE INDEX IF NOT EXISTS samples_of ON samples (device, id)",
    """CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, time TEXT NOT NULL, kind TEXT NOT NULL,
        text TEXT NOT NULL) STRICT""",
    "CREATE INDEX IF NOT EXISTS events_of ON events (device, id)",
)
