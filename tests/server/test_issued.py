import datetime as dt
import hashlib
import json
import stat

import pytest

from maasnb.errors import OptionError, UnknownNameError, WorkspaceError
from maasnb.serve.issued import digest_of_token, issue, issued_tokens, revoke


def test_a_token_has_256_bits_and_only_its_sha256_is_stored(workspace):
    token, stored = issue(workspace, "predict", name="student")
    assert len(token.removeprefix("maasnb_")) == 43  # 256 bits in base64
    assert stored.digest == hashlib.sha256(token.encode()).hexdigest() == digest_of_token(token)
    content = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    assert token.encode() not in content


def test_only_the_owner_can_read_what_is_stored(workspace):
    issue(workspace, "predict", name="student")
    folder = workspace / "tokens"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["student.json"]
    assert stat.S_IMODE((folder / "student.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("permission", "allows"),
    [
        ("predict", {"predict"}),
        ("publish", {"predict", "publish"}),
        ("admin", {"predict", "publish", "admin"}),
    ],
)
def test_a_permission_includes_the_lesser_ones(workspace, permission, allows):
    assert issue(workspace, permission)[1].permissions == allows


def test_the_issued_tokens_are_read_back_as_they_were_made(workspace):
    limits = {"models": ("digits*", "iris"), "lifetime": dt.timedelta(days=30), "rate": 2.5}
    made = [
        issue(workspace, "predict", name="student", **limits)[1],
        issue(workspace, "admin", name="ann")[1],
    ]
    assert issued_tokens(workspace) == (made[1], made[0])
    assert made[0].expires == made[0].created + dt.timedelta(days=30)


def test_a_revoked_token_is_gone_and_its_name_is_free(workspace):
    issue(workspace, "predict", name="student")
    revoke(workspace, "student")
    assert issued_tokens(workspace) == ()
    issue(workspace, "predict", name="student")


def test_an_unknown_token_gets_the_nearest_name(workspace):
    issue(workspace, "predict", name="student")
    for name in ("studnet", "../tokens/student", "student.json"):
        with pytest.raises(UnknownNameError, match="Did you mean 'student'"):
            revoke(workspace, name)
    with pytest.raises(UnknownNameError, match="Delete the file 'token'"):
        revoke(workspace, "workspace")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "../x"}, "cannot be the name of a token"),
        ({"name": "workspace"}, "cannot be the name of a token"),
        ({"name": "taken"}, "There is a token 'taken' already"),
        ({"permission": "admin", "models": ("x",)}, "expected no model patterns"),
        ({"models": ("",)}, "expected some such as 'digits"),
        ({"lifetime": dt.timedelta()}, "expected more than nothing"),
        ({"rate": 0.0}, "expected a number of requests a second above 0"),
        ({"rate": float("nan")}, "expected a number of requests a second above 0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(workspace, arguments, words):
    issue(workspace, "predict", name="taken")
    with pytest.raises(OptionError, match=words):
        issue(workspace, arguments.pop("permission", "predict"), **arguments)
    assert [token.name for token in issued_tokens(workspace)] == ["taken"]


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "0"},
        {"permissions": ["root"]},
        {"permissions": 3},
        {"rate": "fast"},
        {"rate": True},
        {"expires": "2026-01-01T00:00:00"},
        {"expires": "soon"},
        {"models": [1]},
        {"schema": 2},
    ],
)
def test_a_file_that_describes_no_token_is_said_so(workspace, change):
    issue(workspace, "predict", name="student")
    path = workspace / "tokens" / "student.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(WorkspaceError, match="maasnb token revoke student"):
        issued_tokens(workspace)
