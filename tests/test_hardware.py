"""The devices that the frameworks can compute on."""

from maasnb import hardware
from maasnb.hardware import devices


def test_every_installed_backend_has_a_device(backend):
    rows = [row for row in devices().rows if row.backend == backend.name]
    assert [row.device for row in rows] == [device.name for device in backend.devices()]
    assert rows[0].version == backend.version()


def test_a_backend_that_is_not_installed_has_its_command(monkeypatch):
    monkeypatch.setattr(hardware, "installed_backends", lambda: ())
    assert "type: %pip install 'maasnb[jax]'" in str(devices())
    assert [row.device for row in devices().rows] == ["", ""]


def test_devices_are_an_aligned_table():
    head, *lines = str(devices()).splitlines()
    assert head.startswith("backend  version")
    assert len({line.index("cpu", head.index("device")) for line in lines if "cpu" in line}) == 1
