"""Resource variables: handles and the subgraphs that initialise them become plain variables.

A file names a resource by VAR_HANDLE, in each subgraph that uses it, and sets its first value in a subgraph that
CALL_ONCE runs in the first inference. Nothing of that is left to do on a device: which variable a handle stands for,
and what it holds at first, follow from the file. What does not follow is refused here, by one of `LIMITS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from tinyops.graph.types import CallOnceOptions, HandleOptions, Operator, Tensor

MAX_STATE_BYTES = 1 << 24  # of all variables of a model

# Operator -> sentences: errors and the page of supported operators.
LIMITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "VAR_HANDLE": (
            "it has no input, and as output the handle of one resource",
            "handles of one shared name have the same container",
            "only READ_VARIABLE and ASSIGN_VARIABLE take handles",
            "a resource that is read is assigned somewhere, with the same type and number of bytes",
        ),
        "CALL_ONCE": (
            "it has no inputs and no outputs",
            "it calls another subgraph than its own, which consists of VAR_HANDLE and ASSIGN_VARIABLE of constants",
            "it comes before the operators that read or assign what its subgraph initialises",
            "every subgraph but the first is called by one CALL_ONCE",
        ),
    }
)

Fail = Callable[[str, str, str], Exception]  # (where, what, hint)
CONTROL_FLOW = "models with control flow cannot be compiled"


@dataclass(frozen=True)
class Part:
    """One subgraph as it stands in the file."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]


@dataclass
class _Resource:
    """A variable in the making: what the first assignment says of it, and where the first subgraph names it."""

    name: str
    container: str
    value: Tensor | None = None
    initial: bytes = b""
    tensor: int | None = None


def initial_of(tensor: Tensor) -> bytes:
    """What a variable holds before anything is assigned: every byte is the zero point of int8 tensors, else 0."""
    quantised = tensor.quantisation if tensor.dtype == "int8" else None
    return bytes([quantised.zero_points[0] & 0xFF if quantised else 0]) * tensor.bytes


def bind_resources(parts: Sequence[Part], fail: Fail) -> Part:
    """The first subgraph with variables in the place of handles, and without VAR_HANDLE and CALL_ONCE.

    `fail` makes an error from where, what and a hint. Bounded by the sizes of the parts and MAX_STATE_BYTES.
    """
    return _Binding(parts, fail).bound()


class _Binding:
    def __init__(self, parts: Sequence[Part], fail: Fail) -> None:
        self.parts, self.fail = parts, fail
        self.resources: dict[str, _Resource] = {}
        self.handles: list[dict[int, str]] = [{} for _ in parts]  # of each part: tensor -> shared name
        self.state_bytes = 0

    def bound(self) -> Part:
        calls = self.calls()
        for number in range(len(self.parts)):
            self.allocate(number)
        self.check_uses()
        first_use = self.first_uses()
        for at, called in calls:
            self.initialise(at, called, first_use)
        main = self.parts[0]
        variables = {r.tensor: self.variable(r) for r in self.resources.values() if r.tensor is not None}
        tensors = tuple(variables.get(t.index, t) for t in main.tensors)
        return Part(tensors, tuple(self.rewritten()))

    # -- what calls what ---------------------------------------------------------------------------

    def calls(self) -> list[tuple[Operator, int]]:
        """CALL_ONCE operators of the first subgraph and the subgraphs they call."""
        found = []
        for operator in self.parts[0].operators:
            if isinstance(operator.options, CallOnceOptions):
                self.demand(not operator.inputs and not operator.outputs, 0, operator, ("CALL_ONCE", 0))
                called = operator.options.subgraph
                if not 0 <= called < len(self.parts):
                    raise self.error(0, operator, f"calls subgraph {called}, there are {len(self.parts)}")
                self.demand(called != 0, 0, operator, ("CALL_ONCE", 1), "it calls its own, a cycle")
                found.append((operator, called))
        callers = Counter(called for _, called in found)
        wrong = [number for number in range(1, len(self.parts)) if callers[number] != 1]
        if wrong:
            what = f"{len(self.parts)} subgraphs, and subgraph {wrong[0]} is called by {callers[wrong[0]]}"
            raise self.fail("", f"supported is: {LIMITS['CALL_ONCE'][3]}; here: {what}", CONTROL_FLOW)
        for _, number in found:
            for operator in self.parts[number].operators:
                allowed = operator.name in ("VAR_HANDLE", "ASSIGN_VARIABLE")
                self.demand(allowed, number, operator, ("CALL_ONCE", 1), f"it has a {operator.name}")
        return found

    # -- what handles stand for --------------------------------------------------------------------

    def allocate(self, number: int) -> None:
        """Finds a subgraph's handles, and the first value assigned to each resource, as the interpreter prepares."""
        for operator in self.parts[number].operators:
            if isinstance(operator.options, HandleOptions):
                self.handle(number, operator, operator.options)
            elif operator.name == "ASSIGN_VARIABLE":
                resource, value = self.assigned(number, operator)
                if resource.value is None:
                    self.hold(number, operator, resource, value)

    def handle(self, number: int, operator: Operator, options: HandleOptions) -> None:
        tensors = [self.parts[number].tensors[i] for i in operator.outputs]
        good = not operator.inputs and [(t.dtype, t.elements, t.data) for t in tensors] == [("resource", 1, None)]
        self.demand(good, number, operator, ("VAR_HANDLE", 0))
        made = _Resource(options.shared_name, options.container)
        resource = self.resources.setdefault(made.name, made)
        self.demand(resource.container == options.container, number, operator, ("VAR_HANDLE", 1), options.shared_name)
        if tensors[0].index in self.handles[number]:
            raise self.error(number, operator, f"writes {tensors[0]}, which is there already")
        self.handles[number][tensors[0].index] = options.shared_name
        if number == 0 and resource.tensor is None:
            resource.tensor = tensors[0].index

    def assigned(self, number: int, operator: Operator) -> tuple[_Resource, Tensor]:
        if len(operator.inputs) != 2 or None in operator.inputs or operator.outputs:
            shape = f"{len(operator.inputs)} inputs and {len(operator.outputs)} outputs"
            raise self.error(number, operator, f"has {shape}, wanted are a handle, a value and no output")
        handle, value = operator.inputs
        assert value is not None
        return self.resource(number, operator, handle), self.parts[number].tensors[value]

    def resource(self, number: int, operator: Operator, handle: int | None) -> _Resource:
        if handle not in self.handles[number]:
            raise self.error(number, operator, "its first input is not a handle that a VAR_HANDLE before it made")
        return self.resources[self.handles[number][handle]]

    def hold(self, number: int, operator: Operator, resource: _Resource, value: Tensor) -> None:
        self.state_bytes += value.bytes
        if self.state_bytes > MAX_STATE_BYTES or value.dtype == "resource":
            what = f"{self.state_bytes:,} bytes of variables, at most {MAX_STATE_BYTES:,} are supported"
            raise self.error(number, operator, "assigns a handle" if value.dtype == "resource" else what)
        # Even of wider values the interpreter sets each byte to the zero point's lowest.
        zero = value.quantisation.zero_points[0] if value.quantisation else 0
        resource.value, resource.initial = value, bytes([zero & 0xFF]) * value.bytes

    # -- what operators do with them ---------------------------------------------------------------

    def check_uses(self) -> None:
        """Reads and assignments agree with the first assignment; nothing else takes a handle."""
        for number, part in enumerate(self.parts):
            for operator in part.operators:
                if operator.name == "READ_VARIABLE":
                    if len(operator.inputs) != 1 or len(operator.outputs) != 1:
                        raise self.error(number, operator, "has other operands than a handle and a value")
                    resource = self.resource(number, operator, operator.inputs[0])
                    self.agree(number, operator, resource, part.tensors[operator.outputs[0]])
                elif operator.name == "ASSIGN_VARIABLE":
                    self.agree(number, operator, *self.assigned(number, operator))
                    self.demand(operator.inputs[1] not in self.handles[number], number, operator, ("VAR_HANDLE", 2))
                else:
                    taken = [i for i in operator.inputs if i in self.handles[number]]
                    self.demand(not taken, number, operator, ("VAR_HANDLE", 2))

    def agree(self, number: int, operator: Operator, resource: _Resource, value: Tensor) -> None:
        first = resource.value
        found = f"{value} is {value.dtype} {value.shape}, " + (
            f"what is assigned first is {first.dtype} {first.shape}" if first else "nothing is assigned"
        )
        good = first is not None and (value.dtype, value.bytes) == (first.dtype, first.bytes)
        self.demand(good, number, operator, ("VAR_HANDLE", 3), found)

    def initialise(self, at: Operator, called: int, first_use: Mapping[str, Operator]) -> None:
        """The constants that a subgraph assigns, provided that no operator used the resources before."""
        for operator in self.parts[called].operators:
            if operator.name == "ASSIGN_VARIABLE":
                resource, value = self.assigned(called, operator)
                self.demand(value.data is not None, called, operator, ("CALL_ONCE", 1), f"{value} is computed")
                assert value.data is not None
                resource.initial = value.data
                user = first_use.get(resource.name, at)
                self.demand(user.index >= at.index, 0, at, ("CALL_ONCE", 2), f"{user} uses {resource.name!r} before it")

    def first_uses(self) -> dict[str, Operator]:
        """The first operator of the first subgraph that reads or assigns each resource."""
        found: dict[str, Operator] = {}
        for operator in self.parts[0].operators:
            if operator.name in ("READ_VARIABLE", "ASSIGN_VARIABLE"):
                found.setdefault(self.resource(0, operator, operator.inputs[0]).name, operator)
        return found

    # -- the result --------------------------------------------------------------------------------

    def variable(self, resource: _Resource) -> Tensor:
        assert resource.tensor is not None
        if resource.value is None:  # a handle that nothing uses
            return self.parts[0].tensors[resource.tensor]
        made = replace(resource.value, index=resource.tensor, name=resource.name, data=None)
        return replace(made, variable=True, initial=resource.initial)

    def rewritten(self) -> Iterator[Operator]:
        kept = [o for o in self.parts[0].operators if o.name not in LIMITS]
        for index, operator in enumerate(kept):
            inputs, outputs = operator.inputs, operator.outputs
            if operator.name == "READ_VARIABLE":
                inputs = (self.resource(0, operator, inputs[0]).tensor,)
            elif operator.name == "ASSIGN_VARIABLE":
                variable = self.resource(0, operator, inputs[0]).tensor
                assert variable is not None
                inputs, outputs = (inputs[1],), (variable,)
            yield replace(operator, index=index, inputs=inputs, outputs=outputs, origin=operator.index)

    # -- errors ------------------------------------------------------------------------------------

    def demand(self, good: bool, number: int, operator: Operator, limit: tuple[str, int], found: str = "") -> None:
        """Raises the error of a limit, an operator's name and which of its sentences, unless it is kept."""
        if not good:
            here = f"; here: {found}" if found else ""
            raise self.error(number, operator, f"supported is: {LIMITS[limit[0]][limit[1]]}{here}")

    def error(self, number: int, operator: Operator, what: str) -> Exception:
        return self.fail(f"subgraph {number}: {operator}" if number else str(operator), what, "")
