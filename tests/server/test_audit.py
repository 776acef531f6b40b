import json
import stat
import threading

from maasnb.serve.audit import AuditLog


def test_a_line_says_who_did_what_and_when(workspace):
    workspace.mkdir()
    log = AuditLog(workspace)
    log.write("ci", "publish", model="digits", version=3, digest="ab", error=None)
    (entry,) = log.read(10)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "who": "ci",
        "action": "publish",
        "model": "digits",
        "version": 3,
        "digest": "ab",
    }
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_a_text_with_line_breaks_stays_one_line_and_a_long_one_is_cut(workspace):
    workspace.mkdir()
    log = AuditLog(workspace)
    log.write("ci", 'x\n{"who": "root"}', error="long" * 10_000)
    assert log.path.read_bytes().count(b"\n") == 1
    assert len(log.path.read_bytes()) < 2000
    assert log.read(10)[0]["action"] == 'x\n{"who": "root"}'


def test_the_last_lines_come_newest_last_whatever_the_size(workspace):
    workspace.mkdir()
    log = AuditLog(workspace)
    for number in range(3000):
        log.write("ci", "publish", model=f"m{number % 2}", version=number, note="x" * 100)
    assert [entry["version"] for entry in log.read(3)] == [2997, 2998, 2999]
    assert [entry["version"] for entry in log.read(2, "m0")] == [2996, 2998]
    assert len(log.read(10_000)) == 3000


def test_a_line_that_was_cut_off_hides_no_other(workspace):
    workspace.mkdir()
    log = AuditLog(workspace)
    log.write("ci", "publish")
    with log.path.open("ab") as file:
        file.write(b'{"who": "c\n[]\n3\n')
    log.write("ci", "token create")
    assert [entry["action"] for entry in log.read(10)] == ["publish", "token create"]


def test_an_empty_log_has_no_lines(workspace):
    assert AuditLog(workspace).read(10) == []


def test_writers_at_the_same_time_do_not_mix_their_lines(workspace):
    workspace.mkdir()

    def write(who):
        for _ in range(200):
            AuditLog(workspace).write(who, "publish", note="x" * 400)

    threads = [threading.Thread(target=write, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = AuditLog(workspace).path.read_bytes().splitlines()
    assert len([json.loads(line) for line in lines]) == 800
