"""What was seen of devices, on its way out: into the journal, then to whoever takes reports; many at once, and again
where that failed.
"""

from __future__ import annotations

from collections.abc import Mapping

from tinyops.device.gateway.reporting import Reporter, Send, report_of
from tinyops.device.gateway.status import Status
from tinyops.device.gateway.ward import Ward

AT_ONCE = 1000


class Outgoing:
    """For one thread."""

    def __init__(self, ward: Ward, reporter: Reporter, send: Send) -> None:
        self._ward, self._reporter, self._send = ward, reporter, send
        self._unkept: set[str] = set()
        self._unreported: set[str] = set()
        self.sent = 0

    def note(self, address: str) -> None:
        """A device that answered there, or did until now."""
        self._unkept.add(address)
        self._unreported.add(address)

    def tell(self, statuses: Mapping[str, Status]) -> None:
        """Raises TinyopsError: what was not brought out is brought out next time, as it stands then."""
        self._keep(statuses)
        waiting = sorted(address for address in self._unreported if address in statuses)
        for at in range(0, len(waiting), AT_ONCE):
            self._report({address: statuses[address] for address in waiting[at : at + AT_ONCE]})
        self._unreported.clear()

    def _keep(self, statuses: Mapping[str, Status]) -> None:
        found = {statuses[address].device for address in self._unkept if address in statuses}
        rows = [self._ward.devices[device] for device in found if device is not None and device in self._ward.devices]
        if rows:
            self._ward.journal.keep(rows)
        self._unkept.clear()

    def _report(self, statuses: Mapping[str, Status]) -> None:
        by_device = {s.device: s for s in statuses.values() if s.device is not None and s.trouble != "twice"}
        numbers = self._ward.journal.count_reports(list(by_device)) if by_device else {}
        made = [report_of(by_device[device], self._ward, self._reporter, n) for device, n in numbers.items()]
        reports = [report for report in made if report is not None]
        if reports and (error := self._send(reports)) is not None:
            raise error
        self.sent += len(reports)
        self._unreported.difference_update(statuses)
