"""How the chains of a fleet stand, by what their parts report."""

from __future__ import annotations

from tinyops.device.provision.devices_file import parse_devices
from tinyops.reconcile.fleet_chains import ChainStatus, chain_statuses
from tinyops.reconcile.states import Observed, State

LISTED = parse_devices(
    "id,board,revoked,chain\ncam-1,eye,,door-1\npi-1,brain,,door-1\ncam-2,eye,,door-2\npi-2,brain,,door-2\n"
    "old,eye,2026-01-01,door-2\nhub,linux,,\n",
    where="door.csv",
)


def seen(device: str, state: State, why: str = "") -> Observed:
    return Observed("door", LISTED.devices[device].board, device, state, why=why)


def status(**states: State) -> dict[str, ChainStatus]:
    devices = [seen(name.replace("_", "-"), state) for name, state in states.items()]
    return {chain.name: chain for chain in chain_statuses(devices, LISTED)}


def test_a_part_that_is_missing_or_of_another_set_is_named() -> None:
    devices = [
        seen("cam-1", "converged"),
        seen("pi-1", "behind", "waits for its chain"),
        seen("cam-2", "unreported"),
        seen("pi-2", "converged"),
        seen("old", "revoked"),
        seen("hub", "behind"),
    ]
    assert list(chain_statuses(devices, LISTED)) == [
        ChainStatus("door-1", "mixed", ("brain (pi-1) behind: waits for its chain",)),
        ChainStatus("door-2", "missing", ("eye (cam-2) unreported",)),
    ]


def test_all_that_wait_for_their_wave_are_whole_and_all_behind_are_no_mixture() -> None:
    found = status(cam_1="waiting", pi_1="waiting", cam_2="behind", pi_2="on trial")
    assert found["door-1"] == ChainStatus("door-1", "whole")
    assert (found["door-2"].state, found["door-2"].parts) == ("behind", ("eye (cam-2) behind", "brain (pi-2) on trial"))


def test_without_a_list_nobody_knows_chains() -> None:
    assert not list(chain_statuses([seen("cam-1", "behind")], None))
