"""The list of forms, and rendering by it."""

from __future__ import annotations

from tinyops.boards.model import BoardSpec
from tinyops.errors import SpecError
from tinyops.files import JsonObject
from tinyops.firmware.chained import ChainPlace
from tinyops.firmware.forms.arduino import ArduinoForm
from tinyops.firmware.forms.bare_metal import BareMetalForm
from tinyops.firmware.forms.browser import BrowserForm
from tinyops.firmware.forms.form import Form, Request, nobody
from tinyops.firmware.forms.hosted import HostedForm
from tinyops.firmware.forms.library import LibraryForm
from tinyops.specs.acts import AnyAct

# The first that serves a board is its form; the last serves what the others leave.
FORMS: tuple[Form, ...] = (BrowserForm(), HostedForm(), ArduinoForm(), LibraryForm(), BareMetalForm())

CHAINED = (BrowserForm, HostedForm, ArduinoForm, BareMetalForm)


def form_of(spec: BoardSpec) -> Form:
    return next(form for form in FORMS if form.serves(spec))


def render_project(
    *,
    board: str,
    spec: BoardSpec,
    fleet: str,
    sensor: JsonObject | str,
    contract: JsonObject,
    trust: JsonObject | None = None,
    acts: tuple[AnyAct, ...] | None = None,
    chain: ChainPlace | None = None,
) -> dict[str, bytes]:
    """Every file of a board's firmware by its relative path, sorted; {} for a board with an operating system that is
    part of no `chain`.

    Holds no weights, no secret and no path of this machine. Raises SpecError for a contract that does
    not belong to the board.
    """
    return render(Request(board, spec, fleet, sensor, contract, trust or nobody(), acts, chain=chain))


def render(request: Request) -> dict[str, bytes]:
    """As `render_project`. Raises SpecError for a part of a chain on a board whose form knows none."""
    form = form_of(request.spec)
    if request.chain is not None and not isinstance(form, CHAINED):
        raise SpecError(
            f"{request.board}: its firmware is no part of a chain",
            hint="parts are boards with firmware of ours, boards with Linux, and phones; a library is none",
        )
    return form.render(request)
