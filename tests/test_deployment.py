"""The examples of deployment say what the command line understands."""

import configparser
import json
import re
import shlex
from pathlib import Path

import pytest

from maasnb.cli import make_parser
from maasnb.serve.routes import PUBLIC_PATHS

EXAMPLES = Path(__file__).parents[1] / "examples"
INSTRUCTIONS = {"CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN"}
INSTRUCTIONS |= {"STOPSIGNAL", "USER", "VOLUME"}


def instructions():
    """Return the Containerfile's (instruction, rest) with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (EXAMPLES / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def only(name):
    (rest,) = [rest for instruction, rest in instructions() if instruction == name]
    return rest


def test_the_containerfile_has_only_instructions_that_there_are():
    found = [name for name, _ in instructions()]
    assert found[0] == "FROM"
    assert set(found) <= INSTRUCTIONS


def test_the_container_serves_as_somebody_who_is_not_root():
    found = [name for name, _ in instructions()]
    assert only("USER") not in ("root", "0")
    assert found.index("USER") > max(n for n, name in enumerate(found) if name == "RUN")


def test_the_container_starts_the_server_with_options_that_it_has():
    words = json.loads(only("ENTRYPOINT")) + json.loads(only("CMD"))
    options = make_parser().parse_args(words[1:])
    assert words[0] == "maasnb"
    assert (options.host, str(options.port)) == ("0.0.0.0", only("EXPOSE"))
    assert options.tls_cert is not None
    assert not options.insecure


def test_the_container_is_asked_for_a_path_that_needs_no_token():
    words = json.loads(only("HEALTHCHECK").partition("CMD ")[2])
    path = re.search(r"https://127\.0\.0\.1:8080(/[\w/]+)", words[-1])[1]
    assert path in PUBLIC_PATHS
    compile(words[-1], "healthcheck", "exec")


def test_the_container_installs_extras_that_there_are():
    extras = re.search(r'"/src\[([\w,]+)\]"', str(instructions()))[1].split(",")
    project = (EXAMPLES.parent / "pyproject.toml").read_text()
    assert [extra for extra in extras if f"\n{extra} = [" not in project] == []


def unit_file(name):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(EXAMPLES / name)
    return parser


@pytest.fixture
def unit():
    return unit_file("maasnb.service")


def test_the_unit_starts_the_server_with_options_that_it_has(unit):
    words = shlex.split(unit["Service"]["ExecStart"])
    options = make_parser().parse_args(words[1:])
    assert options.host == "127.0.0.1"
    assert str(options.workspace) == f"/var/lib/{unit['Service']['StateDirectory']}"
    assert float(unit["Service"]["TimeoutStopSec"]) > options.drain


def test_the_unit_has_the_sections_of_a_service(unit):
    assert unit.sections() == ["Unit", "Service", "Install"]
    assert unit["Service"]["DynamicUser"] == "yes"


def test_the_prune_works_on_the_servers_workspace_as_its_user(unit):
    prune = unit_file("maasnb-prune.service")["Service"]
    options = make_parser().parse_args(shlex.split(prune["ExecStart"])[1:])
    assert str(options.workspace) == f"/var/lib/{unit['Service']['StateDirectory']}"
    assert (options.now, options.dry_run, options.days) == (False, False, 30)
    # A dynamic user is called as its unit, where that names none.
    assert (prune["User"], prune["DynamicUser"], prune["Type"]) == ("maasnb", "yes", "oneshot")
    assert unit_file("maasnb-prune.timer")["Timer"]["OnCalendar"] == "daily"
