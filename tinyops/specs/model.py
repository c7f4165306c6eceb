"""What users write: Project, Dataset, Model and Fleet, as frozen objects. Unknown fields are refused.

Paths are relative to the file that names them and are resolved by the loader. Secrets are names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from tinyops.documents import Name, Secret, Strict
from tinyops.specs.dataset import (
    Checks,
    DatasetSpec,
    FilesSource,
    RecordingSplit,
    Signal,
    WheelSource,
)
from tinyops.specs.fields import Label, Path_, Seed, Share
from tinyops.specs.layers import (
    Architecture,
    AveragePool,
    Conv1D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Layer,
    LayersArchitecture,
    MaxPool,
    PythonArchitecture,
    TfliteArchitecture,
)

__all__ = [
    "KINDS",
    "AnyDocument",
    "Architecture",
    "AveragePool",
    "BoardBinding",
    "Checks",
    "Conv1D",
    "Conv2D",
    "Dataset",
    "DatasetSpec",
    "Dense",
    "DepthwiseConv2D",
    "Devices",
    "Document",
    "Dropout",
    "FilesSource",
    "Flatten",
    "Fleet",
    "FleetSpec",
    "Gates",
    "GlobalAveragePool",
    "InputSpec",
    "Layer",
    "LayersArchitecture",
    "MaxPool",
    "Model",
    "ModelReference",
    "ModelSpec",
    "OnboardSensor",
    "Project",
    "ProjectSpec",
    "PythonArchitecture",
    "RecordingSplit",
    "ReplaySensor",
    "Sensor",
    "Signal",
    "Squeeze",
    "StreamSensor",
    "TfliteArchitecture",
    "Training",
    "WheelSource",
]


class Metadata(Strict):
    name: Name = Field(description="Unique among specs of its kind: lower-case letters, digits, hyphens.")
    description: str = ""


# -- Project -----------------------------------------------------------------------------------


class DirectoryReleases(Strict):
    """Releases in a folder, relative to this file; any static file server may show it to devices."""

    kind: Literal["directory"]
    path: Path_


class DirectoryReports(Strict):
    """Where devices leave their reports: a folder, relative to this file."""

    kind: Literal["directory"]
    path: Path_


class ArtifactStore(Strict):
    url: Path_ = Field(description="A folder, relative to this file.")


class Signer(Strict):
    by: Literal["ci"] = "ci"
    key: Secret | None = None


class Signing(Strict):
    image: Signer
    targets: Signer | None = None


class Limits(Strict):
    destroy_share: Share = Field(default=0.1, description="Largest share of fleets and boards that one apply removes.")


class Retired(Strict):
    """A fleet that was deleted on purpose: what becomes of its devices, and until when its entry stays."""

    fleet: Name
    action: Literal["keep", "erase"] = "keep"
    until: date


class ProjectSpec(Strict):
    releases: DirectoryReleases
    artifacts: ArtifactStore = ArtifactStore(url="../.tinyops/store")
    reports: DirectoryReports | None = None
    signing: Signing
    limits: Limits = Limits()
    retired: tuple[Retired, ...] = ()


# -- Model -------------------------------------------------------------------------------------


class InputSpec(Strict):
    """How frames become the model's input: the newest `window_s` seconds, every `hop_s` seconds."""

    window_s: PositiveFloat | None = None
    hop_s: PositiveFloat | None = None
    features: tuple[Literal["raw", "tensor"], ...] = Field(default=("raw",), min_length=1, max_length=1)


class Training(Strict):
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    batch: PositiveInt = 16
    learning_rate: PositiveFloat = 0.001
    seed: Seed = 1


class Squeeze(Strict):
    variants: tuple[Literal["int8"], ...] = Field(default=("int8",), min_length=1)
    prefer: Literal["balanced", "size", "ram", "speed"] = "balanced"


class Gates(Strict):
    accuracy_min: Share | None = None
    recall_min: Mapping[Label, Share] = {}
    int8_loss_max: Share | None = None
    judge_by: Literal["lower_bound", "point"] = Field(
        default="lower_bound",
        description="Compare a gate with the lower end of the 95 % interval, or with the figure itself.",
    )


class ModelSpec(Strict):
    dataset: Name | None = Field(default=None, description="Only a finished .tflite may go without.")
    input: InputSpec = InputSpec()
    architecture: Architecture
    training: Training | None = None
    squeeze: Squeeze = Squeeze()
    gates: Gates = Gates()


# -- Fleet -------------------------------------------------------------------------------------


class StreamSensor(Strict):
    """Frames sent by the board's host."""

    kind: Literal["stream"]
    port: Literal["serial"] = "serial"


class ReplaySensor(Strict):
    """Frames read from a CSV file, one column a channel: for tests and demonstrations."""

    kind: Literal["replay"]
    file: Path_


class OnboardSensor(Strict):
    """A sensor of the board, by its name in the catalogue; the name alone is its short form."""

    kind: Literal["onboard"]
    name: Name


def _named_sensor(value: object) -> object:
    return {"kind": "onboard", "name": value} if isinstance(value, str) else value


def _named_model(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


AnySensor: TypeAlias = Annotated[StreamSensor | ReplaySensor | OnboardSensor, Field(discriminator="kind")]
Sensor: TypeAlias = Annotated[AnySensor, BeforeValidator(_named_sensor, json_schema_input_type=Name | AnySensor)]


class BoardBinding(Strict):
    """How one kind of board takes part in a fleet."""

    sensor: Sensor
    transport: Literal["usb", "wifi", "ble", "local"] | None = Field(
        default=None, description="How updates reach the board; absent: the first that its catalogue entry names."
    )


class ModelReference(Strict):
    """A model by name; the name alone is its short form."""

    name: Name


class Devices(Strict):
    enrol: Literal["open", "closed"] = "closed"
    max: PositiveInt | None = None
    file: Path_ | None = None


class FleetSpec(Strict):
    model: Annotated[ModelReference, BeforeValidator(_named_model, json_schema_input_type=Name | ModelReference)]
    boards: Mapping[str, BoardBinding] = Field(
        min_length=1, max_length=100, description="By name in the board catalogue."
    )
    devices: Devices = Devices()
    proof: Literal["same-bytes", "same-source", "built", "rendered"] = "same-source"
    security_counter: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    protected: bool = False
    prevent_destroy: bool = False

    @property
    def model_name(self) -> str:
        return self.model.name


class _Document(Strict):
    apiVersion: Literal["tinyops/v1"]
    metadata: Metadata

    @property
    def name(self) -> str:
        return self.metadata.name


class Project(_Document):
    kind: Literal["Project"]
    spec: ProjectSpec


class Dataset(_Document):
    kind: Literal["Dataset"]
    spec: DatasetSpec


class Model(_Document):
    kind: Literal["Model"]
    spec: ModelSpec


class Fleet(_Document):
    kind: Literal["Fleet"]
    spec: FleetSpec


AnyDocument: TypeAlias = Project | Dataset | Model | Fleet
Document: TypeAlias = Annotated[AnyDocument, Field(discriminator="kind")]
KINDS: Mapping[str, type[AnyDocument]] = {"Project": Project, "Dataset": Dataset, "Model": Model, "Fleet": Fleet}
