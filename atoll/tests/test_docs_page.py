import base64
import hashlib
import re

import pytest

from atoll.docs_page import docs_page
from atoll.service import Service
from atoll.testing.asgi import AppClient, AppResponse


@pytest.fixture
async def page() -> AppResponse:
    return await AppClient(Service("orders").app).get("/docs")


def test_the_page_is_served_as_html(page: AppResponse) -> None:
    assert (200, "text/html; charset=utf-8") == (page.status, page.headers["content-type"])
    assert page.body.startswith(b"<!doctype html>")


def test_the_page_needs_nothing_from_elsewhere(page: AppResponse) -> None:
    text = page.body.decode()

    assert [] == re.findall(r"https?://|//[a-z]+\.|@import|url\(|src=|<link", text)


def test_the_page_reads_the_document_beside_it(page: AppResponse) -> None:
    assert b'fetch("openapi.json")' in page.body


@pytest.mark.parametrize(("directive", "tag"), [("script-src", "script"), ("style-src", "style")])
def test_the_policy_lets_this_script_and_style_run_and_no_others(page: AppResponse, directive: str, tag: str) -> None:
    inside = re.findall(f"<{tag}>(.*?)</{tag}>", page.body.decode(), re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inside]
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))

    assert [policy[directive]] == [f"'sha256-{digest}'" for digest in hashes]
    assert ("'none'", "'self'") == (policy["default-src"], policy["connect-src"])


def test_the_page_never_writes_html_out_of_the_document(page: AppResponse) -> None:
    assert [] == re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", page.body.decode()
    )


def test_the_page_is_made_once() -> None:
    assert docs_page() is docs_page()


def test_the_page_is_small() -> None:
    assert len(docs_page().html) < 32 * 1024
