"""Variants: what may be made of a model so that a board can hold it, and how one is chosen for each board."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from tinyops.documents import Name, Strict
from tinyops.specs.fields import Share

VARIANTS_LIMIT = 64  # of one model, after lists are spread
_Multiplier: TypeAlias = Annotated[float, Field(ge=0.05, le=1.0)]
_Pruned: TypeAlias = Annotated[float, Field(ge=0.0, le=0.95)]

PLAIN = "int8"
WeightsKind: TypeAlias = Literal["int8", "int4", "table"]
_WEIGHTS = (
    "int4: fifteen values of weights, evenly apart, table: sixteen anywhere; half the flash, learnt with rounding."
)
QUANTISED = frozenset({"per", "activations"})  # fields that the quantiser alone looks at
_TOKENS = {"width": "w", "depth": "d", "prune_channels": "c", "prune_weights": "s"}
_ACTIVATIONS = "What values between layers are; int16 is more accurate and takes twice the RAM. The ends stay int8."


class Variant(Strict):
    """One variant. All of it together is one model that is trained, quantised and measured."""

    width: _Multiplier = Field(default=1.0, description="Share of each hidden layer's units or filters.")
    depth: _Multiplier = Field(default=1.0, description="Share of layers that repeat the shape of the one before.")
    prune_channels: _Pruned = Field(
        default=0.0, description="Share of filters and units that go, least important first; then it is tuned again."
    )
    prune_weights: _Pruned = Field(
        default=0.0, description="Share of each kernel's weights that become zero; smaller on the way, not on a device."
    )
    quantisation_aware: bool = Field(
        default=False, description="Tuned with the rounding of int8 in the forward pass before it is quantised."
    )
    weights: WeightsKind = Field(default="int8", description=_WEIGHTS)
    per: Literal["channel", "tensor"] = Field(default="channel", description="What a scale of weights is for.")
    activations: Literal["int8", "int16"] = Field(default="int8", description=_ACTIVATIONS)
    teacher: Name | None = Field(default=None, description="A Model whose outputs it learns to repeat (distillation).")

    @property
    def name(self) -> str:
        """`int8` for the plain one; else what is special about it: `w0.5-c0.3-qat`."""
        tokens = [
            f"{token}{value:g}" for field, token in _TOKENS.items() if (value := getattr(self, field)) not in (0, 1)
        ]
        tokens += ["qat"] if self.quantisation_aware else []
        tokens += [self.weights] if self.weights != PLAIN else []
        tokens += ["pt"] if self.per == "tensor" else []
        tokens += ["a16"] if self.activations == "int16" else []
        tokens += [f"from-{self.teacher}"] if self.teacher else []
        return "-".join(tokens) or PLAIN

    @property
    def trains(self) -> bool:
        """Whether its weights are its own: else it is made of the plain variant's float model."""
        return not self.settings.keys() <= QUANTISED

    @property
    def settings(self) -> dict[str, object]:
        """What is not as in the plain variant: a field that a later version adds changes no key."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def learnt(self) -> dict[str, object]:
        """The settings that training looks at: activations are nothing to it unless it learns with their rounding."""
        return {n: v for n, v in self.settings.items() if n != "activations" or self.quantisation_aware}


def _spread(value: object) -> object:
    """A list, where a field has one value."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


_Multipliers: TypeAlias = Annotated[
    tuple[_Multiplier, ...],
    Field(min_length=1, max_length=16),
    BeforeValidator(_spread, json_schema_input_type=_Multiplier | tuple[_Multiplier, ...]),
]
_Shares: TypeAlias = Annotated[
    tuple[_Pruned, ...],
    Field(min_length=1, max_length=16),
    BeforeValidator(_spread, json_schema_input_type=_Pruned | tuple[_Pruned, ...]),
]
_Switches: TypeAlias = Annotated[
    tuple[bool, ...],
    Field(min_length=1, max_length=2),
    BeforeValidator(_spread, json_schema_input_type=bool | tuple[bool, ...]),
]
_Kinds: TypeAlias = Annotated[
    tuple[WeightsKind, ...],
    Field(min_length=1, max_length=3),
    BeforeValidator(_spread, json_schema_input_type=WeightsKind | tuple[WeightsKind, ...]),
]


class VariantGrid(Strict):
    """One variant; where fields have lists, every combination of them. A field means what it means of a `Variant`."""

    width: _Multipliers = Field(default=(1.0,), description="Share of each hidden layer's units or filters.")
    depth: _Multipliers = Field(default=(1.0,), description="Share of layers that repeat the shape of the one before.")
    prune_channels: _Shares = Field(
        default=(0.0,), description="Share of filters and units that go, least important first; then it is tuned again."
    )
    prune_weights: _Shares = Field(
        default=(0.0,),
        description="Share of each kernel's weights that become zero; smaller on the way, not on a device.",
    )
    quantisation_aware: _Switches = Field(
        default=(False,), description="Tuned with the rounding of int8 in the forward pass before it is quantised."
    )
    weights: _Kinds = Field(default=("int8",), description=_WEIGHTS)
    per: Literal["channel", "tensor"] = Field(default="channel", description="What a scale of weights is for.")
    activations: Literal["int8", "int16"] = Field(default="int8", description=_ACTIVATIONS)
    teacher: Name | None = Field(default=None, description="A Model whose outputs it learns to repeat (distillation).")

    @property
    def variants(self) -> tuple[Variant, ...]:
        lists = {name: value for name, value in self if isinstance(value, tuple)}
        rest = {"per": self.per, "activations": self.activations, "teacher": self.teacher}
        return tuple(Variant(**dict(zip(lists, one, strict=True)), **rest) for one in product(*lists.values()))


def _named(value: object) -> object:
    if isinstance(value, str) and value != PLAIN:
        raise ValueError(f"must be {PLAIN} or a mapping such as {{width: 0.5}}")
    return {} if value == PLAIN else value


AnyVariant: TypeAlias = Annotated[
    VariantGrid, BeforeValidator(_named, json_schema_input_type=Literal["int8"] | VariantGrid)
]


class Squeeze(Strict):
    """Which variants there are, and which one a board gets."""

    variants: tuple[AnyVariant, ...] = Field(
        default=(VariantGrid(),),
        min_length=1,
        max_length=VARIANTS_LIMIT,
        description="int8 is the plain one: weights and activations, calibrated on the training side. With more than "
        "one, each board gets one of them.",
    )
    search: Literal["needed", "always"] = Field(
        default="needed", description="needed: a model whose first variant fits every board is not searched."
    )
    prefer: Literal["balanced", "size", "ram", "speed"] = Field(
        default="balanced", description="What the compiler favours where it has a choice, and the search."
    )
    loss_max: Share = Field(
        default=0.01,
        description="How much less accurate than the best that fits a chosen variant may be, on the validation side.",
    )

    @property
    def all(self) -> tuple[Variant, ...]:
        """The variants, the first of each name, in the spec's order."""
        found: dict[str, Variant] = {}
        for grid in self.variants:
            for variant in grid.variants:
                found.setdefault(variant.name, variant)
        return tuple(found.values())

    @property
    def searches(self) -> bool:
        return len(self.all) > 1
