"""The library form: sources and CMake for an SDK that PlatformIO does not know."""

from __future__ import annotations

from tinyops.boards.model import BoardSpec
from tinyops.files import JsonObject
from tinyops.firmware import building, collector
from tinyops.firmware.contract import Contract
from tinyops.firmware.forms import bare_metal
from tinyops.firmware.forms.form import Form, Request, Work
from tinyops.firmware.project import contract_values, describe_sensor, headers, names, sources
from tinyops.firmware.templating import render


class LibraryForm(Form):
    """The port is the SDK's program's to write."""

    def serves(self, spec: BoardSpec) -> bool:
        return spec.port == "library"

    def render(self, request: Request) -> dict[str, bytes]:
        facts, common = request.fitting_contract(), names(request) | {"collects": False}
        if request.collects:
            return self._collector(request, facts)
        linked, settings = not request.layout.model, request.layout.settings
        values = contract_values(facts, request.layout) | bare_metal.settings_values(request.spec)
        sensor = describe_sensor(request.sensor)
        files = {
            "CMakeLists.txt": render("CMakeLists.txt.j2", **common),
            "include/contract.h": render("contract.h.j2", **common, **values),
            "include/firmware.h": render("library.h.j2", **common),
            "src/firmware.c": render(
                "library.c.j2", **common, linked=linked, settings=settings, sensor=sensor, dark=request.dark
            ),
            **headers(),
            **sources("app", "src/app"),
            **sources("smp", "src/smp"),
            **sources("digest", "src/digest"),
            **(sources("settings", "src/settings") if settings else {}),
        }
        return dict(sorted((files | bare_metal.twin_project(request, facts)).items()))

    def _collector(self, request: Request, facts: Contract) -> dict[str, bytes]:
        common, values = names(request) | {"collects": True}, collector.signal_values(request, facts)
        files = {
            "CMakeLists.txt": render("CMakeLists.txt.j2", **common),
            "include/firmware.h": render("library.h.j2", **common),
            "src/firmware.c": render(
                "collector_library.c.j2", **values, sensor=collector.describe_input(request.sensor)
            ),
            **collector.signal_header(request, facts),
            **collector.parts(),
        }
        return dict(sorted((files | bare_metal.twin_project(request, facts)).items()))

    def build(self, work: Work) -> JsonObject:
        """The twin's firmware, where the twin is another machine; the board's own only its SDK builds."""
        return building.build(work, building.Target(own=False, twin_folder=building.TWIN))
