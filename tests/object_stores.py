"""An S3 service on this machine, for tests: moto's server, in an environment of its own.

moto wants older packages than the rest of the tests, so `make test` installs it into `.venv-moto`.
"""

import contextlib
import itertools
import os
import subprocess
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
PYTHON = Path(os.environ.get("MAASNB_MOTO", ROOT / ".venv-moto")) / "bin" / "python"
SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%s" % server.get_host_and_port(), flush=True)
sys.stdin.read()
server.stop()
"""
_numbers = itertools.count(1)


@contextlib.contextmanager
def s3_service():
    """Run an S3 service; yield its URL; leave no process behind."""
    if not PYTHON.exists():
        pytest.skip("There is no S3 service to test against. Type: make moto")
    child = subprocess.Popen(
        [PYTHON, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    try:
        url = child.stdout.readline().decode().strip()
        assert url
        yield url
    finally:
        child.stdin.close()
        child.wait(30)
        child.stdout.close()


def s3_variables(service):
    """Return the environment that every S3 client reads where its service is from."""
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT": service,
    }


def new_bucket(service):
    """Make an empty bucket; return its address with a prefix."""
    name = f"bucket-{next(_numbers)}"
    httpx.put(f"{service}/{name}").raise_for_status()
    return f"s3://{name}/some/prefix"
