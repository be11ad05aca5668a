from typing import Annotated, Any

import pytest

from atoll import context
from atoll.endpoints import Admin, CallingService, HandlerMistake, Route
from atoll.identity.principal import Principal
from atoll.problems import Forbidden, Unauthenticated, Unavailable
from atoll.service import Service
from atoll.testing.asgi import AppClient
from atoll.wire import StrictModel


class Named:
    """Knows callers by name: `Bearer alice`; and fails in the ways an authenticator can."""

    CALLERS = {  # noqa: RUF012 - never changed
        "alice": Principal("alice"),
        "root": Principal("root", roles=frozenset({"admin"})),
        "orders": Principal("orders", kind="service"),
    }

    async def authenticate(self, authorization: str) -> Principal:
        name = authorization.removeprefix("Bearer ")
        if name == "nokeys":
            raise Unavailable("No keys are known yet.")
        if name == "bug":
            raise RuntimeError("a bug with secret things in it")
        try:
            return self.CALLERS[name]
        except KeyError:
            raise Unauthenticated from None


class OnlyAlice:
    def check(self, caller: Principal) -> None:
        if caller.subject != "alice":
            raise Forbidden("Only Alice may do this.")


class Note(StrictModel):
    text: str


async def who(caller: Principal) -> list[str]:
    return [caller.subject]


async def perhaps(caller: Principal | None) -> list[str]:
    return [caller.subject if caller else "nobody"]


async def as_admin(caller: Admin) -> list[str]:
    return [caller.subject]


async def as_service(caller: CallingService) -> list[str]:
    return [caller.subject]


async def as_alice(caller: Annotated[Principal, OnlyAlice()]) -> list[str]:
    return [caller.subject]


async def from_context(caller: Principal) -> list[Any]:
    request = context.current.get()
    assert request is not None
    return [request.principal == caller]


async def admin_note(note_id: int, note: Note, caller: Admin, limit: int = 1) -> None:
    return None


@pytest.fixture
def client() -> AppClient:
    routes = [
        Route("GET", "/who", who),
        Route("GET", "/perhaps", perhaps),
        Route("GET", "/admin", as_admin),
        Route("GET", "/service", as_service),
        Route("GET", "/alice", as_alice),
        Route("GET", "/context", from_context),
        Route("PUT", "/notes/{note_id}", admin_note),
    ]
    return AppClient(Service("test", routes, authenticator=Named()).app)


@pytest.mark.parametrize(
    ("path", "name", "status"),
    [
        ("/who", "alice", 200),
        ("/who", "root", 200),
        ("/who", "orders", 200),
        ("/who", "mallory", 401),
        ("/who", None, 401),
        ("/perhaps", "alice", 200),
        ("/perhaps", None, 200),
        ("/perhaps", "mallory", 401),
        ("/admin", "root", 200),
        ("/admin", "alice", 403),
        ("/admin", "orders", 403),
        ("/admin", None, 401),
        ("/service", "orders", 200),
        ("/service", "root", 403),
        ("/service", None, 401),
        ("/alice", "alice", 200),
        ("/alice", "root", 403),
        ("/who", "nokeys", 503),
        ("/perhaps", "nokeys", 503),
        ("/who", "bug", 500),
        ("/perhaps", "bug", 500),
    ],
)
async def test_only_who_may_is_let_in(client: AppClient, path: str, name: str | None, status: int) -> None:
    answer = await client.get(path, headers={"Authorization": f"Bearer {name}"} if name else {})

    assert status == answer.status
    if status == 200:
        assert [name or "nobody"] == answer.json()
    else:
        assert status == answer.problem().status


async def test_who_is_not_known_is_told_how_to_say_it(client: AppClient) -> None:
    answer = await client.get("/who")

    assert "Bearer" == answer.headers["www-authenticate"]


async def test_a_refusal_says_what_is_needed(client: AppClient) -> None:
    answer = await client.get("/admin", headers={"Authorization": "Bearer alice"})

    assert "This needs the role admin." == answer.problem().detail


async def test_an_error_of_the_authenticator_lets_nobody_in_and_tells_nothing(client: AppClient) -> None:
    answer = await client.get("/perhaps", headers={"Authorization": "Bearer bug"})

    assert b"secret" not in answer.body


async def test_the_caller_is_part_of_the_context_of_the_request(client: AppClient) -> None:
    answer = await client.get("/context", headers={"Authorization": "Bearer alice"})

    assert [True] == answer.json()


@pytest.mark.parametrize(
    ("path", "content", "headers"),
    [
        ("/notes/abc", b"{}", {"Content-Type": "application/json"}),
        ("/notes/1?limit=x", b"{}", {"Content-Type": "application/json"}),
        ("/notes/1", b"{", {"Content-Type": "application/json"}),
        ("/notes/1", b"", {}),
        ("/notes/1", b"x", {"Content-Type": "text/plain"}),
    ],
)
async def test_strangers_learn_nothing_of_their_other_mistakes(
    client: AppClient, path: str, content: bytes, headers: dict[str, str]
) -> None:
    stranger = await client.request("PUT", path, content=content, headers=headers)
    user = await client.request("PUT", path, content=content, headers={**headers, "Authorization": "Bearer alice"})

    assert (401, 403) == (stranger.status, user.status)


def test_a_service_without_an_authenticator_cannot_ask_who_calls() -> None:
    with pytest.raises(HandlerMistake, match=r"GET /who: caller asks who calls; give the service an authenticator\."):
        Service("test", [Route("GET", "/who", who)])
