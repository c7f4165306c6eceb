"""The comment of a pull request and the issue of drift, against a stateful GitHub whose every answer is checked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from fakes.github_discussions import BOT, Discussions, discussing
from fakes.github_failures import everything_about
from fakes.github_server import READ_TOKEN, REPOSITORY, TOKEN, GitHub, serving_github
from fakes.release_stores import Waits, check_exchanges
from tinyops.ci.comment import keep_issue, post_comment
from tinyops.errors import RemoteError
from tinyops.release.github import issues as client
from tinyops.release.github.place import Place
from tinyops.release.store import Unreachable

MARK = "<!-- tinyops plan of wearables -->"
BODY = f"{MARK}\n### `wearables`: v1 → v2\n"
TIP = "a" * 40


class Talk:
    """The server, what it holds, and clients of it."""

    def __init__(self, github: GitHub) -> None:
        self.github, self.held, self.waits = github, discussing(github), Waits()
        self.held.pull(7, TIP)
        self.clients: list[client.Discussions] = []

    def client(self, token: str = TOKEN) -> client.Discussions:
        place = Place.of(REPOSITORY, self.github.url)
        made = client.Discussions(place, token, "environment variable GITHUB_TOKEN", self.waits.patience())
        self.clients.append(made)
        return made

    def post(self, body: str = BODY, token: str = TOKEN, **options: str) -> str:
        return post_comment(self.client(token), 7, body, **options).how

    def say(self, author: str | None, body: str, number: int = 7) -> int:
        return self.held.say(self.github.state, number, author, body).id

    def ours(self) -> list[str]:
        return [c.body for c in self.held.of(7) if c.author == self.held.login]

    def failing(self, **options: str) -> RemoteError:
        with pytest.raises(RemoteError) as caught:
            self.post(**options)
        shown = everything_about(caught.value)
        assert TOKEN not in shown and READ_TOKEN not in shown
        return caught.value

    def asked(self, method: str) -> int:
        return sum(m == method for _, m, _ in self.github.asked)


@pytest.fixture
def talk() -> Iterator[Talk]:
    with serving_github() as github:
        made = Talk(github)
        yield made
        for opened in made.clients:
            opened.close()
        check_exchanges(github)


def test_posted_once_updated_in_place_and_left_alone_when_it_says_so_already(talk: Talk) -> None:
    assert talk.post() == "posted"
    first = [c.id for c in talk.held.of(7)]
    assert talk.post() == "unchanged"
    assert talk.held.edits == 0
    changed = BODY.replace("v2", "v3")
    assert talk.post(changed) == "updated"
    assert talk.post(changed) == "unchanged"
    assert [c.id for c in talk.held.of(7)] == first
    assert talk.ours() == [changed]


def test_line_ends_and_a_lost_last_one_are_no_change(talk: Talk) -> None:
    talk.post()
    talk.held.of(7)[0].body = BODY.rstrip().replace("\n", "\r\n")
    assert talk.post() == "unchanged"
    assert talk.held.edits == 0


def test_what_others_wrote_is_never_touched(talk: Talk) -> None:
    others = [("mallory", BODY), ("mallory", MARK), (None, BODY), ("github-actions", BODY), (BOT, f"see\n{BODY}")]
    for author, body in others:
        talk.say(author, body)
    talk.say(BOT, "<!-- tinyops plan of other -->\nanother project")
    before = [(c.author, c.body) for c in talk.held.of(7)]
    assert talk.post() == "posted"
    assert talk.post(BODY + "more") == "updated"
    after = [(c.author, c.body) for c in talk.held.of(7)]
    assert after[:-1] == before
    assert after[-1] == (BOT, BODY + "more")


def test_found_among_a_thousand_comments(talk: Talk) -> None:
    for number in range(950):
        talk.say("mia", f"remark {number}")
    wanted = talk.say(BOT, BODY)
    for number in range(50):
        talk.say("mallory", f"{MARK}\nremark {number}")
    talk.github.asked.clear()
    assert talk.post(BODY + "new") == "updated"
    assert talk.held.comments[wanted].body == BODY + "new"
    assert talk.asked("GET") == 1 + 11 and talk.asked("POST") == 0
    assert len(talk.held.of(7)) == 1001


def test_second_comments_of_ours_go(talk: Talk) -> None:
    oldest = talk.say(BOT, BODY)
    talk.say(BOT, BODY + "other")
    talk.say(BOT, BODY)
    assert talk.post() == "unchanged"
    assert [c.id for c in talk.held.of(7)] == [oldest]


@pytest.mark.parametrize("runs", [2, 5])
def test_many_at_once_leave_one(talk: Talk, runs: int) -> None:
    """All look before any has written."""
    together = threading.Barrier(runs)
    clients = [talk.client() for _ in range(runs)]

    class Together:
        def __init__(self, inner: client.Discussions) -> None:
            self.inner, self.first = inner, True

        def __getattr__(self, name: str) -> object:
            return getattr(self.inner, name)

        def comments(self, number: int) -> list[client.Comment]:
            found = self.inner.comments(number)
            if self.first:
                self.first = False
                together.wait(20)
            return found

    ended: list[str] = []
    threads = [
        threading.Thread(target=lambda c=c: ended.append(post_comment(Together(c), 7, BODY).how)) for c in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(ended) == runs
    assert talk.asked("POST") == runs
    assert talk.ours() == [BODY]


def test_a_token_of_a_person_finds_its_own(talk: Talk) -> None:
    """Who the token writes as shows in what it wrote."""
    talk.held.login = "mia-bot"
    mine = talk.say("mia-bot", BODY)
    assert talk.post(BODY + "new") == "updated"
    assert [(c.id, c.body) for c in talk.held.of(7)] == [(mine, BODY + "new")]
    assert talk.post(BODY + "newer", author="mia-bot") == "updated"
    assert talk.asked("POST") == 1


def test_a_number_that_a_fork_made_up_posts_nothing(talk: Talk) -> None:
    talk.github.asked.clear()
    assert talk.post(head="b" * 40) == "stale"
    assert talk.held.of(7) == [] and talk.asked("POST") == 0
    assert talk.post(head=TIP) == "posted"


def test_a_closed_one_is_left_alone(talk: Talk) -> None:
    talk.held.issues[7].state = "closed"
    assert talk.post(head=TIP) == "closed"
    assert talk.held.of(7) == []


def test_no_such_pull_request(talk: Talk) -> None:
    del talk.held.issues[7]
    error = talk.failing()
    assert "reading pull request 7: GitHub answered 404" in error.message
    assert "pull-requests: write" in error.hint


def test_an_issue_is_no_pull_request(talk: Talk) -> None:
    talk.held.issues[7].head = ""
    assert "404" in talk.failing().message


def test_a_locked_conversation_and_a_token_that_may_only_read(talk: Talk) -> None:
    talk.held.locked.add(7)
    assert "issue is locked" in talk.failing().message
    error = talk.failing(token=READ_TOKEN)
    assert "commenting on #7: GitHub answered 403 Forbidden" in error.message
    assert "pull-requests: write" in error.hint
    assert talk.held.of(7) == []


def test_reads_are_repeated_when_github_fails(talk: Talk) -> None:
    talk.github.fault("status", "GET", "comments", times=2, status=502)
    assert talk.post() == "posted"
    assert len(talk.waits) == 2


def test_a_rate_limit_is_waited_for_and_said(talk: Talk) -> None:
    talk.github.fault("status", "POST", "comments", status=403, headers={"Retry-After": "7"})
    assert talk.post() == "posted"
    assert list(talk.waits) == [7.0] and "rate limit" in talk.waits.said[0]
    assert talk.ours() == [BODY]


def test_an_update_and_a_removal_are_repeated(talk: Talk) -> None:
    talk.say(BOT, BODY)
    talk.say(BOT, BODY)
    talk.github.fault("status", "PATCH", "comments", status=503, after=True)
    talk.github.fault("drop", "DELETE", "comments", after=True)
    assert talk.post(BODY + "new") == "updated"
    assert talk.ours() == [BODY + "new"]


def test_a_lost_answer_to_the_post_makes_no_second_comment(talk: Talk) -> None:
    talk.github.fault("drop", "POST", "comments", after=True)
    assert talk.post() == "posted"
    assert talk.ours() == [BODY]


def test_a_post_that_failed_says_so(talk: Talk) -> None:
    talk.github.fault("status", "POST", "comments", status=500)
    with pytest.raises(Unreachable, match="commenting on #7: GitHub answered 500"):
        talk.post()
    assert talk.ours() == []
    assert talk.post() == "posted"


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"id": "7"}', b'{"number": 7, "state": "open", "head": null}', b'{"number": true}', b"null", b"nonsense"],
)
def test_answers_that_are_none(talk: Talk, body: bytes) -> None:
    talk.github.fault("json", "GET", "pulls", times=9, body=body)
    error = talk.failing()
    assert "reading pull request 7" in error.message
    assert "what came is no answer of GitHub's API" in error.message


@pytest.mark.parametrize("body", [b'[{"id": 1}]', b"[[]]", b"{}", b'[{"id": 1, "user": 3, "body": ""}]'])
def test_comments_that_are_none(talk: Talk, body: bytes) -> None:
    talk.github.fault("json", "GET", "comments", times=9, body=body)
    assert "listing the comments of #7" in talk.failing().message


# -- the issue of drift -------------------------------------------------------------------------

DRIFT = "<!-- tinyops drift of wearables -->\nOne device is behind.\n"


def keep(talk: Talk, body: str = DRIFT, *, wanted: bool = True) -> str:
    return keep_issue(talk.client(), "Drift", body, wanted=wanted).how


def issues(held: Discussions) -> list[tuple[str, str, str | None]]:
    return [(i.body, i.state, i.reason) for i in held.issues.values() if not i.head and i.author == held.login]


def test_one_issue_while_there_is_drift_and_none_after_it(talk: Talk) -> None:
    assert keep(talk, wanted=False) == "none"
    assert keep(talk) == "posted"
    assert keep(talk) == "unchanged"
    assert keep(talk, DRIFT + "Two.") == "updated"
    assert issues(talk.held) == [(DRIFT + "Two.", "open", None)]
    assert keep(talk, DRIFT + "None.", wanted=False) == "closed"
    assert issues(talk.held) == [(DRIFT + "None.", "closed", "completed")]
    assert keep(talk) == "posted"  # again later: a new one
    assert [state for _, state, _ in issues(talk.held)] == ["closed", "open"]


def test_other_issues_and_pull_requests_are_left_alone(talk: Talk) -> None:
    from fakes.github_discussions import Issue

    talk.held.issues[1] = Issue(1, "mallory", "Drift", DRIFT)
    talk.held.issues[2] = Issue(2, BOT, "Drift", DRIFT, head=TIP)
    for number in range(1000, 1130):
        talk.held.issues[number] = Issue(number, "mia", "else", "else")
    before = json.dumps([vars(i) for i in talk.held.issues.values()])
    assert keep(talk) == "posted"
    assert keep(talk) == "unchanged"
    assert json.dumps([vars(i) for i in talk.held.issues.values()][:-1]) == before


def test_of_two_issues_the_older_stays(talk: Talk) -> None:
    from fakes.github_discussions import Issue

    talk.held.issues[3] = Issue(3, BOT, "Drift", DRIFT)
    talk.held.issues[4] = Issue(4, BOT, "Drift", DRIFT)
    assert keep(talk) == "unchanged"
    assert issues(talk.held) == [(DRIFT, "open", None), (DRIFT, "closed", "not_planned")]
