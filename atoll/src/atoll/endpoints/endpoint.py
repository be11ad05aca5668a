"""A handler made ready: everything its annotations ask for is worked out before the first request."""

from collections.abc import Callable, Mapping
from typing import Any

from atoll import context
from atoll.clock import Clock, SystemClock
from atoll.endpoints.answers import Answer, StreamedAnswer, answer_of
from atoll.endpoints.parameters import ReadLater, refuse_any_query
from atoll.endpoints.request import Request
from atoll.endpoints.route import Route
from atoll.endpoints.signature import HandlerMistake, Signature, signature_of
from atoll.identity.authenticator import Authenticator
from atoll.problems import GatewayTimeout


class Endpoint:
    """Answers requests with one handler.

    Asks who calls before anything else is looked at, so that strangers learn nothing from mistakes they are
    told. Work does not start for a caller whose deadline has passed meanwhile.
    """

    def __init__(self, route: Route, authenticator: Authenticator | None = None, *, clock: Clock | None = None) -> None:
        self.route = route
        self.signature = signature_of(route)
        self._handler = route.handler
        self._status = route.status
        self._monotonic = (clock or SystemClock()).monotonic
        self._caller = self._caller_reader(authenticator)
        self._direct = _direct_readers(self.signature)
        self._query = _query_reader(self.signature)
        self._body = self._body_reader()

    def _caller_reader(self, authenticator: Authenticator | None) -> tuple[str, ReadLater] | None:
        caller = self.signature.caller
        if caller is None:
            return None
        if authenticator is None:
            where = f"{self.route.method} {self.route.path}"
            raise HandlerMistake(f"{where}: {caller.name} asks who calls; give the service an authenticator.")
        return caller.name, caller.reader(authenticator)

    def _body_reader(self) -> tuple[str, ReadLater] | None:
        body = self.signature.body
        return None if body is None else (body.name, body.reader())

    async def answer(self, request: Request) -> Answer | StreamedAnswer:
        """The handler's answer; raises what the handler raises, and problems for what the request lacks."""
        arguments: dict[str, Any] = {}
        if self._caller is not None:
            name, read_later = self._caller
            arguments[name] = await read_later(request)
        for name, read in self._direct:
            arguments[name] = read(request)
        if self._query is not None:
            arguments.update(self._query(request))
        if self._body is not None:
            name, read_later = self._body
            arguments[name] = await read_later(request)
        self._refuse_if_too_late()
        return answer_of(await self._handler(**arguments), self._status)

    def _refuse_if_too_late(self) -> None:
        request = context.current.get()
        if request is not None and request.deadline is not None and request.deadline <= self._monotonic():
            raise GatewayTimeout("The time that the caller gave had passed before the work began.")


def _direct_readers(signature: Signature) -> tuple[tuple[str, Callable[[Request], Any]], ...]:
    readers = [(parameter.name, parameter.reader()) for parameter in signature.path]
    readers += [(parameter.name, parameter.reader()) for parameter in signature.headers]
    if signature.request is not None:
        readers.append((signature.request.name, signature.request.reader()))
    return tuple(readers)


def _query_reader(signature: Signature) -> Callable[[Request], Mapping[str, Any]] | None:
    if signature.query is not None:
        return signature.query.reader()
    reads_it_itself = signature.request is not None and signature.request.media is None
    return None if reads_it_itself else refuse_any_query
