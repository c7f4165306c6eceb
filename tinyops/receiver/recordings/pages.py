"""What the receiver of recordings tells of itself: health, and metrics for Prometheus; nothing that names a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from starlette.responses import JSONResponse, PlainTextResponse, Response

from tinyops.device.exposition import TEXT, Metric, counters, exposition, gauge, resident_bytes
from tinyops.receiver.recordings.desk import Desk


def health_page(desk: Desk) -> Response:
    reasons = []
    if desk.journal.trouble:
        reasons.append(desk.journal.trouble)
    if desk.journal.free_bytes() < desk.bounds.keep_free_bytes:
        reasons.append("the disk is full")
    return JSONResponse({"ok": not reasons, "reasons": reasons}, 503 if reasons else 200)


def metrics_page(desk: Desk, answered: Mapping[int, int]) -> Response:
    return PlainTextResponse(exposition(_metrics(desk, answered)), media_type=TEXT)


def _metrics(desk: Desk, answered: Mapping[int, int]) -> Iterator[Metric]:
    ledger, counts = desk.journal.ledger, desk.journal.counts
    yield gauge("tinyops_receiver_resident_bytes", "Most memory that it held.", resident_bytes())
    yield gauge("tinyops_receiver_takes_open", "Takes that are coming in.", len(ledger.takes))
    yield gauge("tinyops_receiver_takes_open_bytes", "Bytes of them.", ledger.bytes)
    yield gauge("tinyops_receiver_disk_free_bytes", "What its disk still has.", desk.journal.free_bytes())
    yield gauge("tinyops_receiver_waiting_bytes", "Bytes that wait for the disk.", desk.journal.waiting_bytes)
    yield gauge("tinyops_receiver_journal_ok", "1: the journal can be written.", float(not desk.journal.trouble))
    kept = {"kept": desk.keeper.kept, "refused": desk.keeper.refused}
    yield counters("tinyops_receiver_takes_total", "Takes that were closed.", "result", kept)
    by_status = {str(status): count for status, count in answered.items()}
    yield counters("tinyops_receiver_answers_total", "Answers by status.", "status", by_status)
    for name, about, value in (
        ("taken_bytes_total", "Bytes that were taken.", desk.taken_bytes),
        ("journal_records_total", "Records of the journal.", counts.records),
        ("journal_fsyncs_total", "Times that the disk was waited for.", counts.fsyncs),
        ("journal_fsync_seconds_total", "How long.", counts.fsync_s),
    ):
        yield Metric(f"tinyops_receiver_{name}", "counter", about, [((), value)])
