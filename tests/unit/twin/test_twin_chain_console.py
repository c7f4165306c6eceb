"""What the console of a virtual chain offers, and what it says of parts that have no figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tinyops.errors import UsageError
from tinyops.twin.chain_console import ChainConsole


def part(name: str, stack_bytes: int) -> Any:
    hello = SimpleNamespace(board="linux", state=0, arena_needed=16, arena_bytes=92)
    stats = SimpleNamespace(stack_used=stack_bytes // 2, stack_bytes=stack_bytes)
    return SimpleNamespace(name=name, link=SimpleNamespace(hello=lambda: hello, stats=lambda: stats))


def console(*parts: Any) -> ChainConsole:
    return ChainConsole(cast(Any, SimpleNamespace(parts=parts, joints=(), replays=False, check=lambda: None)))


def test_a_stack_that_nobody_measures_is_not_told_as_nothing() -> None:
    said = console(part("near", 3056), part("far", 0)).do("parts")
    assert said is not None and said.text.splitlines() == [
        "near: linux, ready, arena 16 of 92 bytes, stack 1,528 of 3,056",
        "far: linux, ready, arena 16 of 92 bytes",
    ]


@pytest.mark.parametrize("command", ["measure", "health", "crash"])
def test_what_is_asked_of_one_board_is_no_command_of_a_chain(command: str) -> None:
    with pytest.raises(UsageError, match=f"unknown command '{command}'") as caught:
        console().do(command)
    assert "parts" in caught.value.hint and command not in caught.value.hint


def test_who_watches_a_chain_whose_sensor_measures_nothing_is_told() -> None:
    with pytest.raises(UsageError, match="the sensor of near measures nothing") as caught:
        console(part("near", 0), part("far", 0)).do("watch 3")
    assert "--replay FILE" in caught.value.hint


@pytest.mark.parametrize(("line", "said"), [("loss", "loss: not a share"), ("loss 2", "loss 2: not a share")])
def test_a_loss_is_a_share(line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        console().do(line)
