import subprocess
import textwrap

import pytest
from IPython.core.interactiveshell import InteractiveShell

from maasnb.sourcecode import class_source, git_commit, masked, running_cell


class Sample:
    """A class of a file."""

    def run(self):
        return 1


def test_the_source_of_a_class_in_a_file_is_its_definition_alone():
    source = class_source(Sample)
    assert source.startswith("class Sample:\n")
    assert source.endswith("return 1")


def test_the_source_of_a_class_of_a_cell_is_the_whole_cell():
    shell = InteractiveShell()
    cell = "width = 3\nclass Net:\n    def forward(self):\n        return width\n"
    shell.run_cell(cell)
    assert class_source(shell.user_ns["Net"]) == cell


def test_an_installed_class_has_no_source_worth_keeping():
    assert class_source(textwrap.TextWrapper) == ""
    assert class_source(type(pytest.mark)) == ""
    assert class_source(int) == ""


def test_outside_of_a_notebook_no_cell_is_running():
    assert running_cell() == ""


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)
    return done.stdout.decode().strip()


def committed(folder):
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_the_commit_is_the_one_that_git_says(tmp_path):
    folder = committed(tmp_path / "work")
    (folder / "below").mkdir()
    assert git_commit(folder / "below") == git(folder, "rev-parse", "HEAD")


def test_the_commit_of_packed_refs_and_of_a_detached_head_is_found(tmp_path):
    folder = committed(tmp_path / "work")
    git(folder, "pack-refs", "--all")
    assert git_commit(folder) == git(folder, "rev-parse", "HEAD")
    git(folder, "checkout", "-q", "--detach")
    assert git_commit(folder) == git(folder, "rev-parse", "HEAD")


def test_the_commit_of_a_second_work_tree_is_its_own(tmp_path):
    folder, second = committed(tmp_path / "work"), tmp_path / "second"
    git(folder, "worktree", "add", "-q", "-b", "other", str(second))
    git(second, "commit", "-q", "--allow-empty", "-m", "second")
    assert git_commit(second) == git(second, "rev-parse", "HEAD") != git_commit(folder)


def test_a_folder_without_git_has_no_commit(tmp_path):
    assert git_commit(tmp_path) == ""


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ('mb.publish(run, token="abc")', 'mb.publish(run, token="...")'),
        ("os.environ['MAASNB_TOKEN'] = 'abc'", "os.environ['MAASNB_TOKEN'] = '...'"),
        ("%env MAASNB_TOKEN=abc", "%env MAASNB_TOKEN=..."),
        ("%maas publish run --token abc", "%maas publish run --token ..."),
        ("api_key: 'abc'", "api_key: '...'"),
        ("tokens = mb.Embed(20)", "tokens = mb.Embed(20)"),
        ('x = "token"', 'x = "token"'),
    ],
)
def test_what_is_named_like_a_secret_is_masked(code, shown):
    assert masked(code) == shown
