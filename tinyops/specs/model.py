"""What users write: Project, Dataset, Model and Fleet, as frozen objects. Unknown fields are refused.

Paths are relative to the file that names them and are resolved by the loader. Secrets are names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from tinyops.documents import Digest, Name, Strict
from tinyops.specs.artifact_store import ArtifactStore
from tinyops.specs.augment import STEPS_LIMIT, AugmentStep
from tinyops.specs.board_binding import (
    BoardBinding,
    LinkSensor,
    OnboardSensor,
    ReplaySensor,
    Sensor,
    StreamSensor,
)
from tinyops.specs.chain import Chain, ChainSplit, OnPartLost, Part
from tinyops.specs.checks import Checks
from tinyops.specs.dataset import (
    DatasetSpec,
    FilesSource,
    RecordingsSource,
    Signal,
    Split,
    WheelSource,
)
from tinyops.specs.environments import PromoteWhen, Suspended
from tinyops.specs.features import Feature, RawFeature
from tinyops.specs.fields import (
    Label,
    Path_,
    Seed,
    Share,
)
from tinyops.specs.gates import NO_GATES, BoardGates, Gates, Override
from tinyops.specs.layers import (
    Architecture,
    AutoencoderArchitecture,
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
from tinyops.specs.project import (
    DirectoryReleases,
    GitHubReleases,
    ProjectSpec,
)
from tinyops.specs.rollout import Rollout
from tinyops.specs.squeeze import Squeeze, Variant

__all__ = [
    "KINDS",
    "AnyDocument",
    "Architecture",
    "ArtifactStore",
    "AutoencoderArchitecture",
    "AveragePool",
    "BoardBinding",
    "BoardGates",
    "Chain",
    "ChainSplit",
    "Checks",
    "Conv1D",
    "Conv2D",
    "Dataset",
    "DatasetSpec",
    "Dense",
    "DepthwiseConv2D",
    "Devices",
    "DirectoryReleases",
    "Document",
    "Dropout",
    "FilesSource",
    "Flatten",
    "Fleet",
    "FleetSpec",
    "Gates",
    "GitHubReleases",
    "GlobalAveragePool",
    "InputSpec",
    "Layer",
    "LayersArchitecture",
    "LinkSensor",
    "MaxPool",
    "Model",
    "ModelReference",
    "ModelSpec",
    "OnPartLost",
    "OnboardSensor",
    "Override",
    "Part",
    "Project",
    "ProjectSpec",
    "PythonArchitecture",
    "RecordingsSource",
    "ReplaySensor",
    "Sensor",
    "Signal",
    "Split",
    "Squeeze",
    "StreamSensor",
    "TfliteArchitecture",
    "Training",
    "Variant",
    "WheelSource",
]


class Metadata(Strict):
    name: Name = Field(description="Unique among specs of its kind: lower-case letters, digits, hyphens.")
    description: str = Field(default="", description="For people; decides nothing.")


# -- Model -------------------------------------------------------------------------------------


class InputSpec(Strict):
    """How frames become the model's input: the newest `window_s` seconds, every `hop_s` seconds."""

    window_s: PositiveFloat | None = Field(default=None, description="For a stream; an image is a window of its own.")
    hop_s: PositiveFloat | None = Field(default=None, description="Time from one inference to the next; for a stream.")
    block_s: PositiveFloat | None = Field(
        default=None, description="Time of samples that arrive together, as one frame; absent: a frame is one sample."
    )
    features: tuple[Feature, ...] = Field(
        default=(RawFeature(kind="raw"),),
        min_length=1,
        max_length=8,
        description="Filters, then what is made of the samples; a kind alone is short for its defaults.",
    )

    @property
    def takes_tensors(self) -> bool:
        """A finished .tflite that is fed tensors, not frames."""
        return self.features[-1].kind == "tensor"

    @property
    def is_raw(self) -> bool:
        """Samples go to the model as they are, scaled."""
        return len(self.features) == 1 and self.features[0].kind == "raw"


class Training(Strict):
    """Adam, the learning rate falling from `learning_rate` to zero along a cosine."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] = Field(default=30, description="Passes over the training side.")
    batch: PositiveInt = Field(default=16, description="Windows a step.")
    learning_rate: PositiveFloat = Field(default=0.001, description="At the start.")
    seed: Seed = Field(default=1, description="Of the first weights, the order of windows and augmentation.")
    label_smoothing: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.0, description="Share of each label that is spread over all classes: less certain of few recordings."
    )
    augment: tuple[AugmentStep, ...] = Field(
        default=(), max_length=STEPS_LIMIT, description="How the training side is varied, step by step; never the test."
    )
    copies: Annotated[PositiveInt, Field(le=1000)] | None = Field(
        default=None,
        description="Variations of the training side that epochs take in turn; absent: a new one for each epoch.",
    )


class ModelSpec(Strict):
    dataset: Name | None = Field(default=None, description="Only a finished .tflite may go without.")
    input: InputSpec = InputSpec()
    architecture: Architecture = Field(description="Layers, a Python function of yours, or a finished .tflite.")
    training: Training | None = Field(default=None, description="Needed unless the model is a finished .tflite.")
    squeeze: Squeeze = Squeeze()
    gates: Gates = Gates()


PIN_DIGITS = 12


# -- Fleet -------------------------------------------------------------------------------------


def _named_model(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


class ModelReference(Strict):
    """A model by name; the name alone is its short form."""

    name: Name
    digest: Digest | Mapping[Name, Digest] | None = Field(
        default=None,
        description="Pins the fleet to an int8 model that a release holds, or each of its boards to its own; `tinyops "
        "promote` and `rollback` write it.",
    )


class Devices(Strict):
    """Who belongs to the fleet: written by `tinyops enrol`; a plan does not act on it in this version."""

    enrol: Literal["open", "closed"] = Field(default="closed", description="open: a device that reports itself counts.")
    max: PositiveInt | None = Field(default=None, description="Most devices that may count.")
    file: Path_ | None = Field(
        default=None, description="CSV of devices: id, board, labels, public_key, enrolled, revoked."
    )


def _approvals(value: object) -> object:
    return int(value) if isinstance(value, bool) else value


class FleetSpec(Strict):
    model: Annotated[ModelReference, BeforeValidator(_named_model, json_schema_input_type=Name | ModelReference)] = (
        Field(description="The model that every board of the fleet runs.")
    )
    boards: Mapping[str, BoardBinding] = Field(
        default={}, max_length=100, description="By name in the board catalogue; none where it is a chain."
    )
    chain: Chain | None = Field(default=None, description="Boards that share one model, in place of `boards`.")
    split: ChainSplit | None = Field(default=None, description="Where a chain's model is cut; absent: auto.")
    on_part_lost: OnPartLost | None = Field(default=None, description="Of a chain; absent: its defaults.")
    devices: Devices = Devices()
    proof: Literal["same-bytes", "same-source", "built", "rendered"] = Field(
        default="same-source", description="The least proof that the fleet accepts."
    )
    gates: BoardGates = Field(default=NO_GATES, description="What any board of the fleet may cost.")
    overrides: tuple[Override, ...] = Field(default=(), max_length=20, description="Gates lifted for one model.")
    promote_when: PromoteWhen | None = Field(
        default=None, description="What must hold before `tinyops promote` writes this fleet's pin."
    )
    protected: Annotated[int, BeforeValidator(_approvals, json_schema_input_type=bool | int), Field(ge=0, le=16)] = (
        Field(default=0, description="It moves when so many people have signed the plan; true is one.")
    )
    prevent_destroy: bool = Field(default=False, description="No board leaves it, and it cannot be retired.")
    rollout: Rollout | None = Field(
        default=None, description="In which waves its devices get what is new; absent: all at once."
    )
    class_shares: Mapping[Label, Share] | None = Field(
        default=None,
        min_length=1,
        description="How often its devices are expected to see each class, in sum 1; absent: as the training side has "
        "them. `tinyops fleet status` and drift compare what devices report.",
    )
    suspended: Suspended | None = Field(default=None, description="It stays as released; `tinyops suspend` writes it.")
    security_counter: Annotated[int, Field(ge=0, le=2**31 - 1)] = Field(
        default=0, description="Only rises: devices refuse releases with a lower one."
    )

    @property
    def model_name(self) -> str:
        return self.model.name

    @property
    def is_pinned(self) -> bool:
        return self.model.digest is not None

    @property
    def pins(self) -> Mapping[str, str]:
        """The digest of the int8 model that each target is pinned to, by its name; empty where none is."""
        digest = self.model.digest
        return digest if isinstance(digest, Mapping) else dict.fromkeys(self.targets, digest) if digest else {}

    def subject_of(self, target: str) -> str:
        """The subject of the steps of a target's model: its name, with the digest's first digits where it is pinned."""
        pin = self.pins.get(target)
        return self.model.name if pin is None else f"{self.model.name}.{pin.removeprefix('sha256:')[:PIN_DIGITS]}"

    @property
    def targets(self) -> Mapping[str, BoardBinding]:
        """What gets a program: kinds of boards by their names in the catalogue, or parts of the chain by theirs."""
        return {part.name: part for part in self.chain.parts} if self.chain is not None else self.boards

    def board_of(self, target: str) -> str:
        """The name in the catalogue of a target's board."""
        binding = self.targets[target]
        return binding.board if isinstance(binding, Part) else target


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
