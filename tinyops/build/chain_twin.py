"""The step that runs all parts of a chain together: what their twins run each by itself."""

from __future__ import annotations

from collections.abc import Sequence

from tinyops.artifacts import InputRef, Step
from tinyops.specs.targets import Target

REVISION = 1
OF_WHOLE = ("golden.bin", "stream.bin")  # which a part's twin has of its part, and a chain of the whole model


def chain_step(targets: Sequence[Target], twins: Sequence[Step]) -> Step:
    """Of a chain's parts in their order, and the twin step of each."""
    fleet, whole = targets[0].fleet, targets[0].measured_step
    inputs = {"split.json": InputRef(f"split:{fleet}", "split.json")}
    inputs |= {name: InputRef(whole, name) for name in OF_WHOLE if name in twins[0].inputs}
    settings, lock = [], {"firmware": twins[0].lock["firmware"]}
    for target, twin in zip(targets, twins, strict=True):
        inputs |= {f"{target.name}.{name}": ref for name, ref in twin.inputs.items() if name not in OF_WHOLE}
        settings.append({"name": target.name, **{k: v for k, v in twin.settings.items() if k != "revision"}})
        lock[f"part.{target.name}"] = {role: twin.lock[role] for role in ("emulator", "compiler")}
    return Step("chain", fleet, {"parts": settings, "revision": REVISION}, lock, inputs)
