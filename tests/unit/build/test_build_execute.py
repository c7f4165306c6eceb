import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.stores import store_at
from tinyops import process
from tinyops.artifacts import ALL_OUTPUTS, FACTS, Condition, InputRef, Progress, Source, Step
from tinyops.build import execute, runners
from tinyops.errors import SpecError, ToolError, UnsafePlan
from tinyops.files import digest_bytes


class Log:
    """A watcher that remembers what it was told."""

    def __init__(self):
        self.lines: list[tuple[str, str]] = []

    def started(self, step):
        self.lines.append((step.id, "started"))

    def progress(self, step, progress):
        self.lines.append((step.id, progress.message))

    def finished(self, step, how, seconds):
        self.lines.append((step.id, how))

    def failed(self, step, error):
        self.lines.append((step.id, f"failed: {error.message}"))

    def warning(self, text):
        self.lines.append(("", text))

    def built(self):
        return [step for step, how in self.lines if how == "built"]


def upper(step, inputs, out, report):
    """A step that writes its inputs' text in capitals, in one file each."""
    report(Progress(1, 1, "working"))
    if step.settings.get("fail"):
        raise ToolError(f"{step.id} cannot")
    if step.settings.get("refuse"):
        raise SpecError(f"{step.id} must not")
    text = "".join(inputs[name].read_text() for name in sorted(inputs)) + step.settings.get("add", "")
    text += str(step.settings.get("keep", ""))
    (out / "text").write_text(text.upper())
    (out / "size").write_text(str(len(text)))
    return {"length": len(text)}


@pytest.fixture(autouse=True)
def real_functions(monkeypatch):
    monkeypatch.setattr(runners, "step_function", lambda kind: upper)


@pytest.fixture
def chain(tmp_path):
    file = tmp_path / "source"
    file.write_text("abc")

    def steps(add="", fail=False):
        return (
            Step("collect", "d", {}, {}, {}, {"s": Source(file, digest_bytes(b"abc"))}),
            Step("train", "m", {"add": add}, {}, {"t": InputRef("collect:d", "text")}),
            Step("image", "m/b", {"fail": fail}, {}, {"": InputRef("train:m", ALL_OUTPUTS)}),
            Step("twin", "f/b", {}, {}, {"t": InputRef("image:m/b", "text")}),
        )

    return steps


def run(tmp_path, steps, *, released=None, fetch=lambda artifact: None, **options):
    log = Log()
    store = store_at(tmp_path / "store")

    def recall(step, key):
        record = (released or {}).get(step.id)
        return record if record and record.key == key else None

    outcome = execute.Executor(store, recall, fetch, log, **options).run(steps)
    return outcome, log, store


def test_steps_run_in_order_and_a_second_run_does_nothing(tmp_path, chain):
    outcome, log, store = run(tmp_path, chain("d"))
    assert log.built() == ["collect:d", "train:m", "image:m/b", "twin:f/b"]
    text = store.find(outcome.records["twin:f/b"].outputs["text"])
    assert text is not None
    assert text.read_text() == "4ABCD"
    again, log, _ = run(tmp_path, chain("d"))
    assert log.built() == []
    assert again.records == outcome.records


def test_what_was_built_under_another_name_is_taken_under_its_own(tmp_path, chain):
    first, _, _ = run(tmp_path, chain("d"))
    again, log, _ = run(tmp_path, [replace(step, subject=step.subject + "x", inputs={}) for step in chain("d")[:1]])
    assert log.built() == []
    assert again.records["collect:dx"] == replace(first.records["collect:d"], step="collect:dx")


def test_what_gives_the_same_output_stops_the_change_there(tmp_path, chain):
    first, _, _ = run(tmp_path, chain("d"))
    second, log, _ = run(tmp_path, chain("D"), released=first.records)
    assert log.built() == ["train:m"]
    assert second.records["twin:f/b"] == first.records["twin:f/b"]


def test_a_released_key_is_not_run_even_with_an_empty_store(tmp_path, chain):
    first, _, _ = run(tmp_path, chain("d"))
    again, log, store = run(tmp_path / "elsewhere", chain("d"), released=first.records)
    assert log.built() == []
    assert again.records == first.records
    assert not (store.root / "records").exists()


def test_a_lost_input_is_fetched_from_the_release(tmp_path, chain):
    first, _, store = run(tmp_path, chain("d"))
    fetched = []

    def fetch(artifact):
        fetched.append(artifact.digest)
        return store.find(artifact)

    changed = (*chain("d")[:3], Step("twin", "f/b", {"add": "!"}, {}, {"t": InputRef("image:m/b", "text")}))
    _, log, _ = run(tmp_path / "elsewhere", changed, released=first.records, fetch=fetch)
    assert log.built() == ["twin:f/b"]
    assert fetched == [first.records["image:m/b"].outputs["text"].digest]


def test_a_lost_input_that_can_be_made_again_is(tmp_path, chain):
    first, _, store = run(tmp_path, chain("d"))
    changed = (*chain("d")[:3], Step("twin", "f/b", {"add": "!"}, {}, {"t": InputRef("image:m/b", "text")}))
    fetch = {a.digest: store.find(a) for a in first.records["train:m"].outputs.values()}
    outcome, log, _ = run(tmp_path / "elsewhere", changed, released=first.records, fetch=lambda a: fetch.get(a.digest))
    assert log.built() == ["image:m/b", "twin:f/b"]
    assert outcome.records["image:m/b"] == first.records["image:m/b"]


def test_lost_weights_are_never_trained_again_in_silence(tmp_path, chain):
    first, _, _ = run(tmp_path, chain("d"))
    changed = (*chain("d")[:2], Step("image", "m/b", {"add": "!"}, {}, {"": InputRef("train:m", ALL_OUTPUTS)}))
    outcome, log, _ = run(tmp_path / "elsewhere", changed, released=first.records)
    assert log.built() == []
    error = outcome.errors["image:m/b"]
    assert isinstance(error, UnsafePlan)
    assert "weights lost" in error.message
    assert "--replace train:m" in error.hint
    outcome, log, _ = run(tmp_path / "elsewhere", changed, released=first.records, replace={"train:m"})
    assert "train:m" in log.built()
    assert not outcome.errors


def test_a_failure_keeps_what_does_not_depend_on_it(tmp_path, chain):
    other = Step("collect", "other", {"add": "x"}, {})
    outcome, log, _ = run(tmp_path, (*chain(fail=True), other))
    assert sorted(outcome.records) == ["collect:d", "collect:other", "train:m"]
    assert list(outcome.errors) == ["image:m/b"]
    assert ("image:m/b", "failed: image:m/b cannot") in log.lines


def test_independent_steps_run_at_the_same_time(tmp_path, monkeypatch):
    meeting = threading.Barrier(2, timeout=30)

    def meet(step, inputs, out, report):
        meeting.wait()
        return {}

    monkeypatch.setattr(runners, "step_function", lambda kind: meet)
    steps = (Step("collect", "a", {"n": 1}), Step("collect", "b", {"n": 2}))
    outcome, _, _ = run(tmp_path, steps)
    assert len(outcome.records) == 2


def test_ctrl_c_is_passed_on_and_finished_steps_are_kept(tmp_path, chain, monkeypatch):
    def interrupted(step, inputs, out, report):
        if step.kind == "image":
            raise KeyboardInterrupt
        return upper(step, inputs, out, report)

    monkeypatch.setattr(runners, "step_function", lambda kind: interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, chain())
    monkeypatch.setattr(runners, "step_function", lambda kind: upper)
    _, log, store = run(tmp_path, chain())
    assert log.built() == ["image:m/b", "twin:f/b"]
    assert list(Path(store.root / "scratch").iterdir()) == []


def test_ctrl_c_also_ends_what_a_step_starts_after_its_first_program_was_ended(tmp_path, monkeypatch):
    begun, ended = threading.Event(), []

    def stubborn(step, inputs, out, report):
        if step.subject == "interrupted":
            begun.wait(30)
            raise KeyboardInterrupt
        begun.set()
        ended.extend(process.run(["sleep", "30"], timeout_s=60, check=False).returncode for _ in range(3))
        return {}

    monkeypatch.setattr(runners, "step_function", lambda kind: stubborn)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, (Step("firmware", "stubborn"), Step("collect", "interrupted")))
    assert ended == [-signal.SIGKILL] * 3


def searching(add="", refuse=False, searched="x"):
    """A step that decides by the length of its text whether others run, and one that reads whatever there is."""
    wanted = Condition("fits:m", "length")
    return (
        Step("train", "m", {"add": "plain"}),
        Step("fits", "m", {"add": searched}),
        Step("train", "m/w", {"add": add, "refuse": refuse}, condition=wanted, fallible=True),
        Step("squeeze", "m/w", {}, {}, {"t": InputRef("train:m/w", "text")}, condition=wanted, fallible=True),
        Step(
            "choose",
            "f/b",
            {},
            {},
            {
                "a": InputRef("train:m", "text"),
                "b": InputRef("squeeze:m/w", FACTS),
                "c": InputRef("squeeze:m/w", "text", optional=True),
            },
        ),
    )


def test_a_step_runs_only_where_its_condition_holds(tmp_path):
    outcome, log, _ = run(tmp_path, searching("more"))
    assert "train:m/w" in log.built() and outcome.skipped == frozenset()
    assert set(outcome.records["choose:f/b"].inputs) == {"a", "b", "c"}
    outcome, log, store = run(tmp_path, searching("more", searched=""))
    assert log.built() == ["fits:m", "choose:f/b"]
    assert outcome.skipped == {"train:m/w", "squeeze:m/w"}
    assert set(outcome.records["choose:f/b"].inputs) == {"a"}
    assert store.find(outcome.records["choose:f/b"].outputs["text"]).read_text() == "PLAIN"
    _, log, _ = run(tmp_path, searching("more", searched=""))
    assert log.built() == []


def test_what_waits_for_a_step_that_is_not_there_does_not_run(tmp_path):
    outcome, log, _ = run(tmp_path, [step for step in searching() if step.kind != "fits"])
    assert log.built() == ["train:m"]
    assert set(outcome.records) == {"train:m"} and outcome.errors == {}


def test_that_a_fallible_step_cannot_be_done_is_recorded_and_who_reads_it_goes_on(tmp_path):
    outcome, log, _ = run(tmp_path, searching(refuse=True))
    assert outcome.errors == {}
    for step in ("train:m/w", "squeeze:m/w"):
        record = outcome.records[step]
        assert (record.facts, record.outputs) == ({"failed": "train:m/w must not"}, {})
    assert [text for _, text in log.lines if "must not" in text] == ["train:m/w: train:m/w must not"]  # said once
    chosen = outcome.records["choose:f/b"]
    assert set(chosen.inputs) == {"a", "b", "c"}
    _, log, _ = run(tmp_path, searching(refuse=True))
    assert log.built() == []
    mended, log, _ = run(tmp_path, searching("mended"))
    assert log.built() == ["train:m/w", "squeeze:m/w", "choose:f/b"]
    assert mended.records["choose:f/b"].key != chosen.key


def test_a_tool_that_fails_is_never_a_result(tmp_path):
    steps = [replace(s, settings={"fail": True}) if s.id == "train:m/w" else s for s in searching()]
    outcome, _, _ = run(tmp_path, steps)
    assert list(outcome.errors) == ["train:m/w"] and "choose:f/b" not in outcome.records


def test_who_must_have_what_failed_fails_with_its_reason(tmp_path):
    steps = [replace(s, fallible=False) if s.kind == "squeeze" else s for s in searching(refuse=True)]
    outcome, _, _ = run(tmp_path, steps)
    assert outcome.errors["squeeze:m/w"].message == "train:m/w must not"


def keeping(chain, add, text="abc"):
    """The train step made to keep what it chose; `add` is another setting of it."""
    first, second, *_ = chain(add)
    return first, replace(second, kind="split", keeps={"keep": "length"})


def test_what_a_step_chose_is_kept_where_it_runs_anew(tmp_path, chain):
    first, _, _ = run(tmp_path, keeping(chain, "d"))
    record = first.records["split:m"]
    assert "keep" not in record.settings and record.facts == {"length": 4}
    second, log, _ = run(tmp_path, keeping(chain, "dd"), before=first.records, released=first.records)
    kept = second.records["split:m"]
    assert log.built() == ["split:m"] and kept.settings["keep"] == 4
    third, log, _ = run(tmp_path, keeping(chain, "dd"), before=second.records, released=second.records)
    assert log.built() == [] and third.records["split:m"] == kept


def test_asked_for_anew_a_step_keeps_nothing(tmp_path, chain):
    first, _, _ = run(tmp_path, keeping(chain, "d"))
    second, _, _ = run(tmp_path, keeping(chain, "dd"), before=first.records, replace={"split:m"})
    assert "keep" not in second.records["split:m"].settings


def test_what_was_lost_of_a_step_that_kept_is_made_as_it_was(tmp_path, chain):
    first, _, _ = run(tmp_path, keeping(chain, "d"))
    second, _, store = run(tmp_path, keeping(chain, "dd"), before=first.records, released=first.records)
    lost = second.records["split:m"]
    for artifact in lost.outputs.values():
        store.find(artifact).unlink()
    user = Step("image", "m/b", {"add": "x"}, {}, {"t": InputRef("split:m", "text")})
    seen = []
    steps = (*keeping(chain, "dd"), user)
    third, _, _ = run(
        tmp_path, steps, before=second.records, released={"split:m": lost}, fetch=lambda a: seen.append(a)
    )
    assert not third.errors and seen and third.records["split:m"] == lost
