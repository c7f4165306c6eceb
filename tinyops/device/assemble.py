"""One process of what an agent's file says: this machine's own model, the devices behind it, or both."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.device import service
from tinyops.device.agent import device_key, run_agent
from tinyops.device.believing import open_offers, open_store
from tinyops.device.document import AgentDocument, GatewaySpec, PartSpec, WakeSpec
from tinyops.device.gateway.content import Content
from tinyops.device.gateway.gateway import Gateway, Pace
from tinyops.device.gateway.health import Snapshot
from tinyops.device.gateway.journal import Journal
from tinyops.device.gateway.places import Finder, Named
from tinyops.device.gateway.reporting import Reporter, Send
from tinyops.device.gateway.standing import Standings
from tinyops.device.gateway.status import Status
from tinyops.device.gateway.timing import Wake
from tinyops.device.gateway.ward import Ward
from tinyops.device.memory import Memory
from tinyops.device.pages import own_snapshot, pages
from tinyops.device.reports import Credential, Outbox, SealedReport, open_outbox
from tinyops.device.settings import AgentSettings, PartSettings
from tinyops.device.state import only_agent
from tinyops.device.update.session import Origins
from tinyops.device.update.settings import Patience, Stop
from tinyops.errors import TinyopsError
from tinyops.files import MIB, writing
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import DeviceReport

GATEWAY = "gateway"  # its folder within the agent's: the machine's own model has nothing in it
REPORTS_WAIT_S = 30.0
JOIN_S = 60.0


@dataclass(frozen=True)
class GatewaySetup:
    """What a gateway knows of its store, in the fields that open it (`believing.Setup`)."""

    store: str
    state: Path
    trust: Path | None
    threshold: int
    root: Path | None
    metadata: str | None
    token_file: Path | None
    mirror: str | None
    timeout_s: float


@dataclass(frozen=True)
class Told:
    """A watch that says what happens on one line, with the device in front."""

    on_event: Callable[[str], None]

    def said(self, device: str, text: str) -> None:
        self.on_event(f"{device}: {text}")

    def moved(self, device: str, done: int, total: int) -> None:
        """Nobody sits and watches."""


class Assembly:
    """An agent's file made into what runs. Paths in it are relative to the file's folder."""

    def __init__(self, document: AgentDocument, base: Path, on_event: Callable[[str], None]) -> None:
        self._name, self._spec, self._base, self._on_event = document.metadata.name, document.spec, base, on_event
        self.state = self._path(document.spec.state)

    def run(self, stop: Stop, *, once: bool) -> Sequence[Status]:
        """Until `stop` is set; with `once` one poll of each part. Returns how devices behind it stand. Raises what kept
        one from its end (RemoteError, ToolError, …), UsageError and SpecError for wrong settings, Leased when the state
        is in use."""
        with writing(self.state):
            self.state.mkdir(parents=True, exist_ok=True)
        device_key(self.state)
        statuses: Sequence[Status] = ()
        failed: list[BaseException] = []
        own = self._own(once)
        thread = threading.Thread(target=self._run_own, args=(own, stop, failed), name="own", daemon=True)
        if own is not None:
            thread.start()
            if once:
                _join(thread, stop)
            elif self._spec.gateway is None:
                with self._pages(own_snapshot(self._name, self.state, self._spec.interval_s)):
                    _join(thread, stop)
        if self._spec.gateway is not None:
            statuses = self._run_gateway(self._spec.gateway, stop, once)
        if thread.ident is not None:
            thread.join(JOIN_S)
        if failed:
            raise failed[0]
        return statuses

    def _pages(self, snapshot: Callable[[], Snapshot]) -> contextlib.AbstractContextManager[None]:
        chosen = "listen" in self._spec.model_fields_set
        return pages(self._spec.listen, snapshot, self._on_event, chosen=chosen)

    # -- this machine's own model -------------------------------------------------------------------

    def _own(self, once: bool) -> AgentSettings | None:
        spec = self._spec
        if spec.device is None:
            return None
        reports = spec.reports
        settings = AgentSettings(
            store=self._place(spec.store),
            fleet=spec.device.fleet,
            board=spec.device.board,
            device=self._name,
            state=self.state,
            trust=self._maybe(spec.trust.keys),
            threshold=spec.trust.threshold,
            metadata=self._place(spec.trust.metadata) if spec.trust.metadata else None,
            root=self._maybe(spec.trust.root),
            token_file=self._secret(spec.token_file),
            mirror=self._place(spec.mirror) if spec.mirror else None,
            chain=spec.device.chain,
            part=self._part(spec.device.part),
            project=spec.trust.project,
            replay=self._maybe(spec.device.replay),
            contract=self._maybe(spec.device.contract),
            reports=self._place(reports.to) if reports else None,
            reports_token_file=self._secret(reports.token_file) if reports else None,
            once=once,
            interval_s=spec.interval_s,
            timeout_s=spec.timeout_s,
        )
        settings.check()
        return settings

    def _part(self, spec: PartSpec | None) -> PartSettings | None:
        if spec is None:
            return None
        pipe = self._maybe(spec.pipe)
        return PartSettings(**{**spec.model_dump(), "pipe": str(pipe.resolve()) if pipe is not None else None})

    def _run_own(self, settings: AgentSettings | None, stop: Stop, failed: list[BaseException]) -> None:
        assert settings is not None
        try:
            run_agent(settings, on_event=self._on_event, stop=stop)
        except BaseException as error:
            failed.append(error)
            if not settings.once:
                stop.set()

    # -- the devices behind it ----------------------------------------------------------------------

    def _run_gateway(self, spec: GatewaySpec, stop: Stop, once: bool) -> Sequence[Status]:
        folder = self.state / GATEWAY
        with only_agent(folder), contextlib.ExitStack() as stack:
            key = device_key(self.state)
            outbox = stack.enter_context(self._outbox(folder))
            gateway = stack.enter_context(self._gateway(spec, folder, key, _sender(outbox, key), stop))
            if once:
                gateway.round()
                if outbox is not None and (error := outbox.flush(REPORTS_WAIT_S)) is not None:
                    raise error
            else:
                stack.enter_context(self._pages(gateway.snapshot))
                self._stay(gateway, stop)
            return [gateway.statuses[address] for address in sorted(gateway.statuses)]

    @staticmethod
    def _stay(gateway: Gateway, stop: Stop) -> None:
        service.notify("READY=1")
        gateway.run(stop, lambda: service.notify("WATCHDOG=1"))
        service.notify("STOPPING=1")

    @contextlib.contextmanager
    def _gateway(self, spec: GatewaySpec, folder: Path, key: SigningKey, send: Send, stop: Stop) -> Iterator[Gateway]:
        memory = Memory(folder, lambda: datetime.now(UTC))
        setup = self._setup(folder)
        source = open_store(setup)
        catalog = load_catalog()
        journal = Journal(folder, lambda: int(memory.now().timestamp()))
        if journal.damaged:
            self._on_event(journal.damaged)
        try:
            ward = Ward(
                journal=journal,
                content=Content(folder / "content", source, spec.cache_mib * MIB),
                standings=Standings(open_offers(setup, source, memory), journal, memory.now, self._spec.trust.project),
                origins=_origins(catalog),
                watch=Told(self._on_event),
                stop=stop,
                patience=Patience(in_all_s=spec.update_timeout_s),
                now=memory.now,
                chains=spec.chains,
            )
            pace = Pace(spec.jobs, self._spec.interval_s, spec.look_s or self._spec.interval_s)
            finder = Finder(list(_named(spec)), spec.auto, catalog)
            reporter = Reporter(self._name, key.public.raw.hex())
            yield Gateway(finder, ward, pace, reporter, send, on_event=self._on_event)
        finally:
            journal.close()

    def _setup(self, folder: Path) -> GatewaySetup:
        spec, trust = self._spec, self._spec.trust
        return GatewaySetup(
            store=self._place(spec.store),
            state=folder,
            trust=self._maybe(trust.keys),
            threshold=trust.threshold,
            root=self._maybe(trust.root),
            metadata=self._place(trust.metadata) if trust.metadata else None,
            token_file=self._secret(spec.token_file),
            mirror=self._place(spec.mirror) if spec.mirror else None,
            timeout_s=spec.timeout_s,
        )

    @contextlib.contextmanager
    def _outbox(self, folder: Path) -> Iterator[Outbox | None]:
        reports = self._spec.reports
        if reports is None:
            yield None
            return
        credential = Credential(self._secret(reports.token_file))
        outbox = open_outbox(self._place(reports.to), credential=credential, state=folder, on_event=self._on_event)
        try:
            yield outbox
        finally:
            outbox.close()

    # -- paths --------------------------------------------------------------------------------------

    def _path(self, text: str) -> Path:
        return self._base / text

    def _maybe(self, text: str | None) -> Path | None:
        return self._path(text) if text is not None else None

    def _secret(self, text: str | None) -> Path | None:
        return service.secret_file(self._path(text)) if text is not None else None

    def _place(self, text: str) -> str:
        """A folder, where it is no address."""
        return text if "://" in text or text.startswith(("github:", "git:")) else str(self._path(text))


def _named(spec: GatewaySpec) -> Iterator[Named]:
    yield from (Named(address) for address in spec.addresses)
    for one in spec.devices:
        yield Named(one.address, _wake(one.wake), one.listen)


def _wake(spec: WakeSpec | None) -> Wake | None:
    return Wake(spec.every_s, spec.for_s) if spec is not None else None


def _origins(catalog: Mapping[str, Board]) -> Origins:
    def origins(board: str) -> tuple[int, ...]:
        layout = catalog[board].spec.layout if board in catalog else None
        return tuple(slot.origin for slot in layout.firmware) if layout else ()

    return origins


def _sender(outbox: Outbox | None, key: SigningKey) -> Send:
    def send(reports: Sequence[DeviceReport]) -> TinyopsError | None:
        return outbox.offer([SealedReport.of(report, key) for report in reports]) if outbox is not None else None

    return send


def _join(thread: threading.Thread, stop: Stop) -> None:
    """Until it has ended; Ctrl-C comes between two waits."""
    service.notify("READY=1")
    while thread.is_alive():
        thread.join(0.5)
        service.notify("WATCHDOG=1")
        if stop.is_set():
            thread.join(JOIN_S)
            return
