from pathlib import Path

from maasnb.cli import make_parser
from maasnb.serve.routes import make_router
from maasnb.serve.services import open_services

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()


def test_every_route_is_on_the_page(tmp_path):
    paths = {route.path for route in make_router(open_services(tmp_path, ())).routes}
    assert "/v2/models/{name}" in paths
    assert [path for path in sorted(paths) if f" {path}`" not in PAGE] == []


def test_every_option_of_the_server_is_on_the_page():
    serve = make_parser()._subparsers._group_actions[0].choices["serve"]
    options = {name for action in serve._actions for name in action.option_strings}
    assert "--runtimes" in options
    missing = [name for name in sorted(options - {"-h", "--help"}) if f"| `{name}`" not in PAGE]
    assert missing == []
