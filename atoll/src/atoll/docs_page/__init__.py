"""The page that shows a service's OpenAPI document: our own, in one piece, and nothing of it from elsewhere."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class DocsPage:
    """The HTML, style and script within it, and the Content-Security-Policy that lets these and no others run."""

    html: bytes
    policy: str


@cache
def docs_page() -> DocsPage:
    """The page; it reads `openapi.json` beside itself, and sends what is tried out to where it came from."""
    page, style, script = (_text(name) for name in ("page.html", "style.css", "script.js"))
    html = page.replace("/* style.css */", style).replace("/* script.js */", script)
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; connect-src 'self'"
    return DocsPage(html.encode(), f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(content: str) -> str:
    """How a policy names a script or style within the page (CSP level 3, section 6.7.2)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
