"""Twins: boots a board's released files in an emulator or natively, proves them bit-exact, measures them."""

from tinyops.twin.chain_step import run as run_chain
from tinyops.twin.machine import VirtualBoard
from tinyops.twin.prove import Twin
from tinyops.twin.recorded import Replay
from tinyops.twin.step import open_twin, run

__all__ = ["Replay", "Twin", "VirtualBoard", "open_twin", "run", "run_chain"]
