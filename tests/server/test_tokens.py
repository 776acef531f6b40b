import stat

import pytest

from maasnb.errors import WorkspaceError
from maasnb.serve.tokens import identity_proof, same_token, workspace_token


def test_the_token_is_made_once_and_only_its_owner_can_read_it(workspace):
    token = workspace_token(workspace)
    assert len(token) == 43  # 256 bits in base64
    assert workspace_token(workspace) == token
    assert stat.S_IMODE((workspace / "token").stat().st_mode) == 0o600
    assert [path.name for path in workspace.iterdir()] == ["token"]


def test_two_workspaces_have_two_tokens(tmp_path):
    assert workspace_token(tmp_path / "a") != workspace_token(tmp_path / "b")


def test_an_empty_token_file_is_refused_with_the_way_out(workspace):
    workspace.mkdir()
    (workspace / "token").write_text("\n")
    with pytest.raises(WorkspaceError, match=r"holds 0 characters.*Delete it"):
        workspace_token(workspace)


def test_tokens_are_the_same_only_if_they_are():
    assert same_token("abc", "abc")
    assert not same_token("abd", "abc")
    assert not same_token("\xe9", "abc")


def test_a_proof_depends_on_token_and_nonce_and_does_not_show_the_token():
    assert identity_proof("t", "1") == identity_proof("t", "1")
    assert len({identity_proof("t", "1"), identity_proof("t", "2"), identity_proof("u", "1")}) == 3
