import httpx
import pytest

from maasnb import cli
from maasnb.serve.issued import issued_tokens
from tests.servers import serving


def run(capsys, *words):
    """Run a command that works; return what it printed on the standard output."""
    assert cli.main([*words]) == 0
    return capsys.readouterr().out


def test_a_token_is_printed_alone_so_that_a_shell_can_keep_it(workspace, capsys):
    assert cli.main(["token", "create", "student", "--model", "digits*", "--rate", "5"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("maasnb_")
    assert out.count("\n") == 1
    assert "predict, models called digits*, 5 requests a second" in err
    assert out.strip() not in err


def test_the_list_shows_what_a_token_allows_and_never_the_token(workspace, capsys):
    token = run(capsys, "token", "create", "ci", "--permission", "publish", "--expires", "4w")
    shown = run(capsys, "token", "list")
    assert token.strip() not in shown
    (line,) = shown.splitlines()[1:]
    assert line.split()[:4] == ["ci", "publish", "all", "any"]


def test_an_empty_list_says_how_to_make_one(workspace, capsys):
    assert "maasnb token create --permission predict" in run(capsys, "token", "list")


def test_a_revoked_token_is_gone(workspace, capsys):
    run(capsys, "token", "create", "a")
    run(capsys, "token", "create", "b")
    run(capsys, "token", "revoke", "a", "b")
    assert issued_tokens(workspace) == ()
    assert cli.main(["token", "revoke", "a"]) == 1
    assert "There is no token 'a'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["3x", "", "d", "1.5h", "99999999d"])
def test_a_time_span_that_is_none_is_refused(workspace, capsys, text):
    with pytest.raises(SystemExit):
        cli.main(["token", "create", "--expires", text])
    assert "30d, 12h, 45m or 4w" in capsys.readouterr().err


def test_making_and_revoking_a_token_stands_in_the_audit_log(workspace, capsys):
    run(capsys, "token", "create", "student")
    run(capsys, "token", "revoke", "student")
    lines = run(capsys, "audit").splitlines()
    assert ["token create" in lines[1], "token revoke" in lines[2]] == [True, True]
    assert all("student" in line and "shell" in line for line in lines[1:])
    assert len(run(capsys, "audit", "-n", "1").splitlines()) == 2
    assert cli.main(["audit", "-n", "0"]) == 1


def test_a_running_server_follows_the_commands(workspace, capsys):
    with serving(workspace) as url, httpx.Client(base_url=url, timeout=30) as http:
        token = run(capsys, "token", "create", "student").strip()
        http.headers["authorization"] = f"Bearer {token}"
        assert_soon(lambda: http.get("/v2").status_code == 200)
        run(capsys, "token", "revoke", "student")
        assert_soon(lambda: http.get("/v2").status_code == 401)


def assert_soon(condition):
    """Ask a server until it answers as it should, at most some thousand times."""
    assert any(condition() for _ in range(10_000))
