from pathlib import Path

from maasnb.cli import make_parser
from maasnb.serve.routes import make_router
from maasnb.serve.services import open_services

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()


def test_every_route_is_on_the_page(tmp_path):
    paths = {route.path for route in make_router(open_services(tmp_path, ())).routes}
    assert "/v2/models/{name}" in paths
    assert [path for path in sorted(paths) if f" {path}`" not in PAGE] == []


def choices_of(parser):
    return parser._subparsers._group_actions[0].choices


def options_of(parser):
    return {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}


def test_every_option_of_the_tokens_and_the_audit_log_is_on_the_page():
    commands = choices_of(make_parser())
    kinds = choices_of(commands["token"])
    options = set().union(*map(options_of, (*kinds.values(), commands["audit"])))
    assert {"--rate", "--lines"} <= options
    assert [name for name in sorted(options - {"-n"}) if f"`{name}`" not in PAGE] == []
    assert [name for name in kinds if f"maasnb token {name}" not in PAGE] == []


def test_every_option_of_the_prune_is_on_the_page_of_operations():
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    options = options_of(choices_of(make_parser())["prune"])
    assert "--dry-run" in options
    assert [name for name in sorted(options) if f"| `{name}`" not in page] == []


def test_every_command_is_on_the_page():
    assert [name for name in choices_of(make_parser()) if f"maasnb {name}" not in PAGE] == []


def test_every_option_of_the_server_is_on_the_page():
    options = options_of(choices_of(make_parser())["serve"])
    assert "--runtimes" in options
    missing = [name for name in sorted(options) if f"| `{name}`" not in PAGE]
    assert missing == []
