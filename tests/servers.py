"""Servers as processes of their own, for tests that speak HTTP."""

import contextlib
import os
import subprocess
import sys

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@contextlib.contextmanager
def serving(workspace, *options, status=0):
    """Run `maasnb serve` as a process of its own; yield its URL; leave no process behind."""
    command = [sys.executable, "-m", "maasnb", "serve", "--port", "0", "--embedded"]
    child = subprocess.Popen(
        [*command, "--workspace", str(workspace), *options],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        url = child.stdout.readline().decode().strip()
        assert url, child.stderr.read().decode()
        yield url
    finally:
        child.stdin.close()
        child.wait(30)
        child.stdout.close()
        child.stderr.close()
    assert child.returncode == status
