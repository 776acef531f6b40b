"""The routes that need not be fast, joined from the modules that answer them."""

from starlette.routing import Router

from maasnb.serve.cards import routes as card_routes
from maasnb.serve.completions import routes as completion_routes
from maasnb.serve.description import description_route
from maasnb.serve.lifecycle import routes as lifecycle_routes
from maasnb.serve.page import PAGE_PATHS
from maasnb.serve.page import routes as page_routes
from maasnb.serve.publishing import routes as publishing_routes
from maasnb.serve.queries import routes as query_routes
from maasnb.serve.repository import routes as repository_routes
from maasnb.serve.services import Services
from maasnb.serve.watching import routes as watching_routes

__all__ = ["PUBLIC_PATHS", "make_router"]

PUBLIC_PATHS = PAGE_PATHS | {"/v2/health/live", "/v2/health/ready", "/maas/v1/identity"}
"""What is answered without a token: nothing of a model, a proof that does not show the token."""


def make_router(services: Services) -> Router:
    """Return the router of everything but inference."""
    routes = [
        *query_routes(services),
        *publishing_routes(services),
        *repository_routes(services),
        *completion_routes(services),
        *card_routes(services),
        *page_routes(services),
        *watching_routes(services),
        *lifecycle_routes(services),
    ]
    return Router(routes=[*routes, description_route(routes, PUBLIC_PATHS)])
