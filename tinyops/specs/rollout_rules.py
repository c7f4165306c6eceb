"""Rules for rollouts that a single field cannot tell."""

from __future__ import annotations

from collections.abc import Iterator

from tinyops.documents.reading import Loc
from tinyops.specs.faults import Fault
from tinyops.specs.model import FleetSpec, ProjectSpec

_LOC: Loc = ("spec", "rollout")


def rollout_faults(fleet: FleetSpec, project: ProjectSpec | None) -> Iterator[Fault]:
    """What is wrong with a fleet's rollout; `project` is None where there is none that is right."""
    rollout = fleet.rollout
    if rollout is None:
        return
    for number, wave in enumerate(rollout.waves):
        if wave.canary is not None and fleet.devices.file is None:
            hint = "list the devices: `devices: {file: fleet.csv}`, which `tinyops enrol` fills; or write a share"
            yield Fault((*_LOC, "waves", number, "canary"), "nobody can count devices that no file lists", hint)
        most = fleet.devices.max
        if wave.canary is not None and most is not None and wave.canary > most:
            yield Fault((*_LOC, "waves", number, "canary"), f"{wave.canary} devices, the fleet has at most {most}")
    if project is not None and project.metadata is None:
        hint = "metadata: {kind: directory, path: ../.tinyops/metadata} in the Project"
        yield Fault(
            _LOC, "there is no place to say how far a rollout is: the Project has no `metadata`", hint, key=True
        )
