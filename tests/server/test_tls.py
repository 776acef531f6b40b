import re
import ssl

import httpx
import pytest
import trustme

from maasnb import cli
from tests.servers import serving


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def files(authority, tmp_path):
    """PEM files of a certificate for 127.0.0.1 and of its key."""
    issued = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for pem in issued.cert_chain_pems:
        pem.write_to_path(cert, append=True)
    issued.private_key_pem.write_to_path(key)
    return str(cert), str(key)


@pytest.mark.coverage("D4")
def test_a_server_with_a_certificate_speaks_tls_and_nothing_else(workspace, authority, files):
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serving(workspace, "--tls-cert", files[0], "--tls-key", files[1]) as url:
        assert url.startswith("https://127.0.0.1:")
        answer = httpx.get(f"{url}/v2/health/live", verify=trusting)
        assert answer.json() == {"live": True}
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{url}/v2/health/live")
        with pytest.raises(httpx.HTTPError):
            httpx.get(url.replace("https", "http") + "/v2/health/live")


def test_with_tls_an_address_that_other_machines_reach_is_served(workspace, authority, files):
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    options = ("--host", "0.0.0.0", "--tls-cert", files[0], "--tls-key", files[1])
    with serving(workspace, *options) as url:
        there = url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{there}/v2/health/ready", verify=trusting).status_code == 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls-cert", "/nowhere/cert.pem"], "No such file"),
        (["--tls-key", "{key}"], "a key .* and no certificate"),
        (["--tls-cert", "{cert}"], "cannot be used"),
        (["--tls-cert", "{key}", "--tls-key", "{key}"], "cannot be used"),
    ],
    ids=["no-file", "no-certificate", "no-key", "no-pair"],
)
def test_a_certificate_that_cannot_be_used_is_refused_in_words(files, capsys, options, words):
    named = {"{cert}": files[0], "{key}": files[1]}
    assert cli.main(["serve", "--port", "0", *(named.get(each, each) for each in options)]) == 1
    said = capsys.readouterr().err
    assert re.search(words, said), said


def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(files, tmp_path, capsys):
    from cryptography.hazmat.primitives import serialization

    with open(files[1], "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    options = ["--tls-cert", files[0], "--tls-key", str(locked)]
    assert cli.main(["serve", "--port", "0", *options]) == 1
    assert "the key without a password" in capsys.readouterr().err
