"""The hosted form: a board that runs an operating system, for which there is nothing to build."""

from __future__ import annotations

from tinyops.boards.model import BoardSpec
from tinyops.files import JsonObject, pretty_json
from tinyops.firmware.forms import hosted_collector, hosted_part
from tinyops.firmware.forms.form import Form, Request, Work


class HostedForm(Form):
    """The daemon of its port loads the model's image; see the port. A part of a chain is a program of its own."""

    def serves(self, spec: BoardSpec) -> bool:
        return spec.layout is None or spec.memory is None

    def render(self, request: Request) -> dict[str, bytes]:
        if request.chain is not None:
            return hosted_part.render_part(request)
        return hosted_collector.render_program(request) if request.collects else {}

    def build(self, work: Work) -> JsonObject:
        if work.request.collects:
            return hosted_collector.build_program(work)
        if work.request.chain is not None:
            return hosted_part.build_part(work)
        facts: JsonObject = {
            "image": False,
            "port": work.request.spec.port,
            "contract": work.request.contract_digest,
        }
        why = {"why": "the board runs an operating system"}
        (work.out / "firmware.json").write_bytes(pretty_json({**facts, **why}))
        return facts
