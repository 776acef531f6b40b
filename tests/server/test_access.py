import contextlib
import datetime as dt
import json

import pytest

from maasnb.errors import AccessError, ForbiddenError, MaasError, OverloadError
from maasnb.serve import access
from maasnb.serve.access import Access
from maasnb.serve.issued import issue, revoke
from maasnb.serve.tokens import workspace_token


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets; the files' own times stay real."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

        def time(self):
            return dt.datetime.now(dt.UTC).timestamp() + self.now - 1000.0

    clock = Clock()
    monkeypatch.setattr(access, "time", clock)
    return clock


def asking(token, scheme="Bearer"):
    return {"headers": [(b"host", b"x"), (b"authorization", f"{scheme} {token}".encode())]}


def permissions(known, token):
    return known.principal(asking(token)).permissions


def test_the_workspace_own_token_allows_everything(workspace):
    principal = Access(workspace).principal(asking(workspace_token(workspace)))
    principal.require("admin")
    principal.require("publish", "anything")
    assert principal.name == "workspace"


def test_a_scheme_in_any_case_is_understood_and_another_one_refused(workspace):
    known, token = Access(workspace), workspace_token(workspace)
    assert known.principal(asking(token, "bEaReR")).name == "workspace"
    for scheme in ("Basic", "Beare1", ""):
        with pytest.raises(AccessError, match="is not known"):
            known.principal(asking(token, scheme))


@pytest.mark.coverage("D4")
@pytest.mark.parametrize("given", ["", "x", "maasnb_", "é", "\0", "a" * 10_000])
def test_a_token_that_nobody_issued_is_refused(workspace, given):
    with pytest.raises(AccessError, match="is not known to this server"):
        Access(workspace).principal(asking(given))


def test_the_digest_that_is_stored_does_not_serve_as_the_token(workspace):
    _, stored = issue(workspace, "admin")
    with pytest.raises(AccessError):
        Access(workspace).principal(asking(stored.digest))


def test_a_token_issued_by_another_process_is_known_within_a_second(workspace, clock):
    known = Access(workspace)
    token, _ = issue(workspace, "predict")
    clock.now += 1.0
    assert permissions(known, token) == {"predict"}


def test_a_token_revoked_by_another_process_is_refused_within_a_second(workspace, clock):
    token, _ = issue(workspace, "predict", name="student")
    known = Access(workspace)
    assert permissions(known, token) == {"predict"}
    revoke(workspace, "student")
    clock.now += 1.0
    with pytest.raises(AccessError, match="nobody revoked"):
        known.principal(asking(token))


def test_a_token_replaced_under_the_same_name_is_another_token(workspace, clock):
    old, _ = issue(workspace, "admin", name="student")
    known = Access(workspace)
    revoke(workspace, "student")
    new, _ = issue(workspace, "predict", name="student")
    clock.now += 1.0
    assert permissions(known, new) == {"predict"}
    with pytest.raises(AccessError):
        known.principal(asking(old))


def test_a_new_token_of_the_workspace_takes_the_place_of_the_old_one(workspace, clock):
    old, known = workspace_token(workspace), Access(workspace)
    (workspace / "token").unlink()
    clock.now += 1.0
    with pytest.raises(AccessError):
        known.principal(asking(old))
    new = workspace_token(workspace)
    clock.now += 1.0
    assert known.principal(asking(new)).name == "workspace"
    assert known.token == new


def test_an_expired_token_is_refused_with_the_time(workspace, clock):
    token, stored = issue(workspace, "publish", lifetime=dt.timedelta(minutes=5))
    known = Access(workspace)
    clock.now += 290
    assert "publish" in permissions(known, token)
    clock.now += 11
    with pytest.raises(AccessError, match=f"expired at {stored.expires:%Y-%m-%d}.*publish"):
        known.principal(asking(token))


def sent(known, token, count):
    """Return how many of so many requests at one moment are let through."""
    passed = 0
    for _ in range(count):
        with contextlib.suppress(OverloadError):
            known.principal(asking(token))
            passed += 1
    return passed


@pytest.mark.coverage("E7")
def test_a_rate_lets_a_second_through_at_once_and_then_so_many_a_second(workspace, clock):
    token, _ = issue(workspace, "predict", rate=10)
    known = Access(workspace)
    assert sent(known, token, 100) == 10
    clock.now += 0.5
    assert sent(known, token, 100) == 5
    clock.now += 3600
    assert sent(known, token, 100) == 10


def test_a_request_too_many_is_told_when_to_ask_again(workspace, clock):
    token, _ = issue(workspace, "predict", rate=0.1)
    known = Access(workspace)
    known.principal(asking(token))
    with pytest.raises(OverloadError, match="may send 0.1 requests a second") as refused:
        known.principal(asking(token))
    assert refused.value.retry_after_s == pytest.approx(10)


def test_a_look_at_the_files_does_not_fill_a_bucket(workspace, clock):
    token, _ = issue(workspace, "predict", rate=0.01)
    known = Access(workspace)
    assert sent(known, token, 3) == 1
    issue(workspace, "predict")
    clock.now += 1.0
    assert sent(known, token, 3) == 0


def test_a_token_of_some_models_does_not_reach_the_others(workspace):
    token, _ = issue(workspace, "publish", models=("digits*", "iris"))
    principal = Access(workspace).principal(asking(token))
    for model in ("digits", "digits-2", "iris"):
        principal.require("publish", model)
        assert principal.sees(model)
    for model in ("Digits", "iris2", "../digits", "", "xdigits"):
        assert not principal.sees(model)
        with pytest.raises(ForbiddenError, match="it is for those called 'digits\\*' or 'iris'"):
            principal.require("predict", model)


def test_a_token_of_a_lesser_permission_is_told_which_one_it_needs(workspace):
    token, _ = issue(workspace, "predict", name="student")
    principal = Access(workspace).principal(asking(token))
    words = (
        "'student' does not allow 'publish' of 'digits'; it allows predict.*--permission publish"
    )
    with pytest.raises(ForbiddenError, match=words):
        principal.require("publish", "digits")
    with pytest.raises(ForbiddenError, match="does not allow 'admin'"):
        principal.require("admin")


def test_one_spoilt_file_does_not_shut_out_the_others(workspace):
    token, _ = issue(workspace, "predict", name="good")
    bad, _ = issue(workspace, "admin", name="bad")
    path = workspace / "tokens" / "bad.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "permissions": ["root"]}))
    known = Access(workspace)
    assert permissions(known, token) == {"predict"}
    with pytest.raises(MaasError):
        known.principal(asking(bad))
