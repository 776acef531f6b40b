"""The web page of a server: its models, live figures, and a form to try each in a browser.

The page and its files are public and hold nothing of a model; what they show is asked for by the
same routes as everyone's, with the token that a person types. The headers let a browser run this
page's own script alone and talk to this server alone, whatever a card or a label says.
"""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from maasnb.serve.description import described
from maasnb.serve.services import Services

__all__ = ["PAGE_PATHS", "routes"]

FOLDER = Path(__file__).parent / "static"
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/static/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/static/page.css": ("page.css", "text/css; charset=utf-8"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}
PAGE_PATHS = frozenset(FILES)
"""What is answered without a token."""

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


def routes(services: Services) -> list[Route]:
    """Return the routes of the page and its files."""
    return [_route(path, *file) for path, file in FILES.items()]


def _route(path: str, name: str, kind: str) -> Route:
    content = (FOLDER / name).read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**HEADERS, "etag": tag}

    @described(
        f"Return {name} of the page.",
        answer={"type": "string"},
        answer_type=kind.partition(";")[0],
    )
    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers={**headers, "content-type": kind})

    return Route(path, answer)
