"""Every board of the catalogue has one form, and it is the one that its port asks for."""

from __future__ import annotations

import pytest

from tinyops.boards.loader import load_catalog
from tinyops.boards.model import BARE_METAL_PORTS
from tinyops.firmware.forms.arduino import ArduinoForm
from tinyops.firmware.forms.bare_metal import BareMetalForm
from tinyops.firmware.forms.browser import BrowserForm
from tinyops.firmware.forms.hosted import HostedForm
from tinyops.firmware.forms.library import LibraryForm
from tinyops.firmware.forms.registry import FORMS, form_of

FORM_OF_PORT = {"browser": BrowserForm, "linux": HostedForm, "arduino": ArduinoForm, "library": LibraryForm}
FORM_OF_PORT |= dict.fromkeys(BARE_METAL_PORTS, BareMetalForm)
CATALOG = load_catalog()


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_a_board_has_the_form_of_its_port(name: str) -> None:
    spec = CATALOG[name].spec
    assert type(form_of(spec)) is FORM_OF_PORT[spec.port]


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_no_two_forms_but_bare_metal_serve_a_board(name: str) -> None:
    """The browser alone comes before hosted, which has no memory of its own either."""
    serving = [type(form) for form in FORMS if form.serves(CATALOG[name].spec)]
    assert serving[1:] in ([], [BareMetalForm], [HostedForm])


def test_every_form_is_some_boards() -> None:
    assert {type(form_of(board.spec)) for board in CATALOG.values()} == {type(form) for form in FORMS}
