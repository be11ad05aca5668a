"""Typed handlers: path, query, header, body and caller by annotation."""

from atoll.endpoints.annotations import Admin, CallingService, HasRole, Header, IsService, Media, Query, Requirement
from atoll.endpoints.answers import Content, NotModified, Reply, Stream
from atoll.endpoints.each import each
from atoll.endpoints.endpoint import Endpoint
from atoll.endpoints.request import Request
from atoll.endpoints.route import BODY_LIMIT, Handler, Route
from atoll.endpoints.signature import HandlerMistake

__all__ = [
    "BODY_LIMIT",
    "Admin",
    "CallingService",
    "Content",
    "Endpoint",
    "Handler",
    "HandlerMistake",
    "HasRole",
    "Header",
    "IsService",
    "Media",
    "NotModified",
    "Query",
    "Reply",
    "Request",
    "Requirement",
    "Route",
    "Stream",
    "each",
]
