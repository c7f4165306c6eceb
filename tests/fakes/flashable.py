"""A repository whose signed release holds what was really built for a board."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from fakes.models import contract_digest
from fakes.releases import INERT, Publisher
from tinyops.files import digest_bytes
from tinyops.manifest.document import Asset, BoardEntry, FileRef, FleetEntry, ModelFile, Proofs

SPECS = Path(__file__).parents[2] / "specs"


def publish_firmware(root: Path, board: str, files: Mapping[str, Path]) -> Path:
    """The example's specs and a release of fleet wrist: firmware.bin, contract.json and, for a slot, model.bin."""
    shutil.copytree(SPECS, root / "specs")
    lines = (root / "specs/project.yaml").read_text().splitlines()
    project = next(line.split("name:")[1].strip(" }") for line in lines if "name:" in line)
    publisher = Publisher(root / ".tinyops", project=project)
    (root / "specs/trusted.pem").write_bytes(publisher.keys[0].public.to_pem())
    assets = dict(publisher.build(INERT).assets)

    def ref(name: str, data: bytes) -> FileRef:
        asset = assets.setdefault(digest_bytes(data), Asset(tag="v1", asset=name, bytes=len(data)))
        publisher.content(data)
        return FileRef(digest=digest_bytes(data), **asset.to_json())

    contract, firmware = files["contract.json"].read_bytes(), files["firmware.bin"].read_bytes()
    linked = "model.bin" not in files
    model = ref("model", firmware if linked else files["model.bin"].read_bytes())
    entry = BoardEntry(
        contract=contract_digest(contract),
        contract_file=ref("contract", contract),
        model=ModelFile(**dict(model), kind="linked" if linked else "image"),
        firmware=ref("firmware", firmware),
        golden=ref("golden", INERT.golden),
        proof=Proofs(model="same-bytes", firmware="same-bytes"),
    )
    fleets = {"wrist": FleetEntry(model="activity", security_counter=0, boards={board: entry})}
    publisher.publish(INERT, assets=assets, fleets=fleets)
    return root
