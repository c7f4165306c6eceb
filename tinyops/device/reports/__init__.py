"""Where reports go: sinks behind one Protocol, and the outbox that never keeps an update waiting.

`open_outbox` is what an agent calls; `registry.SINKS` is where a new kind of sink is added.
"""

from tinyops.device.reports.kind import Credential, Refusal, ReportSink, SealedReport, TryLater
from tinyops.device.reports.outbox import Outbox
from tinyops.device.reports.registry import open_outbox, open_sink

__all__ = ["Credential", "Outbox", "Refusal", "ReportSink", "SealedReport", "TryLater", "open_outbox", "open_sink"]
