"""What a registry expects of a store, asked of each kind of store."""

import os
import subprocess
import sys
import threading
import time

import pytest

from maasnb.errors import OptionError, WorkspaceError
from maasnb.registry.folders import FolderStore
from maasnb.registry.models import open_registry
from maasnb.registry.objects import ObjectsStore
from tests.servers import REPOSITORY


def at_once(count, work):
    """Do something in several threads at the same time; return what each of them got."""
    barrier, results = threading.Barrier(count), []

    def run(number):
        barrier.wait(10)
        results.append(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_what_was_stored_is_read(store):
    assert store.create("a/b/c", b"one")
    assert store.read("a/b/c") == b"one"
    assert store.exists("a/b/c")


def test_what_was_not_stored_is_not_there(store):
    store.create("a/b/c", b"one")
    for key in ("a/b/d", "a/b", "x"):
        assert store.read(key) is None
        assert store.read_tagged(key) is None
        assert not store.exists(key)


def test_an_object_is_created_once(store):
    assert store.create("a", b"one")
    assert not store.create("a", b"two")
    assert store.read("a") == b"one"


def test_of_many_who_create_the_same_object_one_succeeds(store):
    won = at_once(8, lambda number: (store.create("a", b"%d" % number), number))
    (winner,) = [number for success, number in won if success]
    assert store.read("a") == b"%d" % winner


def test_an_object_is_replaced_only_by_who_knows_it(store):
    assert not store.replace("a", b"one", "a tag of something else")
    assert store.replace("a", b"one", None)
    first = store.read_tagged("a")
    assert not store.replace("a", b"two", None)
    assert store.replace("a", b"two", first.tag)
    assert not store.replace("a", b"three", first.tag)
    assert store.read("a") == b"two"


def test_no_replacement_is_lost_when_many_count(store):
    store.create("count", b"0")

    def add(_):
        while True:
            found = store.read_tagged("count")
            if store.replace("count", b"%d" % (int(found.content) + 1), found.tag):
                return

    at_once(6, add)
    assert store.read("count") == b"6"


def test_what_was_deleted_is_not_there_and_can_be_stored_again(store):
    store.create("a/b", b"one")
    store.create("a/c", b"two")
    first = store.read_tagged("a/b")
    store.delete("a/b")
    assert (store.exists("a/b"), store.read("a/c")) == (False, b"two")
    assert [entry.key for entry in store.entries("a")] == ["a/c"]
    assert not store.replace("a/b", b"three", first.tag)
    assert store.create("a/b", b"four")
    assert store.read("a/b") == b"four"


def test_deleting_what_is_not_there_is_no_mistake(store):
    store.delete("a/b")
    store.create("a/b", b"one")
    for _ in range(2):
        store.delete("a/b")
    assert not store.exists("a/b")


def test_of_many_who_delete_and_replace_an_object_all_get_an_answer(store):
    store.create("a", b"one")
    tag = store.read_tagged("a").tag
    works = [lambda: store.delete("a"), lambda: store.replace("a", b"two", tag)]
    at_once(8, lambda number: works[number % 2]())
    assert store.read("a") in (None, b"two")


def test_a_file_becomes_an_object_and_is_used_up(store, tmp_path):
    content = os.urandom(12 << 20)  # more than an object store takes in one part
    for expected in (True, False):
        path = tmp_path / "upload"
        path.write_bytes(content)
        assert store.adopt("blobs/x", path) is expected
        assert not path.exists()
    assert store.read("blobs/x") == content


def test_names_are_those_directly_below(store):
    for key in ("models/b/1/manifest", "models/a/1/manifest", "models/a/traffic", "model/c"):
        store.create(key, b"x")
    assert store.names("models") == ("a", "b")
    assert store.names("models/a") == ("1", "traffic")
    assert store.names("nothing") == ()


def test_entries_are_all_objects_below_with_size_and_time(store):
    before = time.time()
    store.create("models/a/1/manifest", b"four")
    store.replace("models/a/traffic", b"x", None)
    store.create("models/ab/1/manifest", b"x")
    first, second = store.entries("models/a")
    assert (first.key, first.size_bytes) == ("models/a/1/manifest", 4)
    assert second.key == "models/a/traffic"
    assert before - 2 < first.time_s < time.time() + 2


def test_no_writer_leaves_anything_but_objects(store):
    store.create("models/a/1", b"x")
    store.create("models/a/1", b"y")
    store.replace("models/a/2", b"x", None)
    store.replace("models/a/2", b"y", "wrong")
    assert [entry.key for entry in store.entries("models")] == ["models/a/1", "models/a/2"]


REPLACER = """
import sys
from pathlib import Path
from maasnb.registry.folders import FolderStore
store = FolderStore(Path(sys.argv[1]))
for _ in range(50):
    while True:
        found = store.read_tagged("count")
        if store.replace("count", b"%d" % (int(found.content) + 1), found.tag):
            break
"""


def test_processes_that_replace_in_one_folder_lose_nothing(tmp_path):
    store = FolderStore(tmp_path)
    store.create("count", b"0")
    command = [sys.executable, "-c", REPLACER, str(tmp_path)]
    children = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert store.read("count") == b"150"


HOLDER = """
import sys, time
from pathlib import Path
from maasnb.registry import folders
with folders._locked(Path(sys.argv[1]) / folders.LOCK):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_process_that_is_killed_is_free(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    child = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    child.kill()
    child.wait(30)
    child.stdout.close()
    assert FolderStore(tmp_path).replace("a", b"x", None)


def test_content_is_on_the_disk_before_its_name_is(tmp_path, monkeypatch):
    """A machine that loses its power must not leave a name without its content."""
    did = []
    for name in ("fsync", "link", "replace"):
        real = getattr(os, name)

        def spy(*arguments, name=name, real=real):
            did.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, spy)
    store = FolderStore(tmp_path)
    store.create("a/b", b"x")
    assert did == ["fsync", "link", "fsync", "fsync"]  # the file, its name, the two folders
    did.clear()
    store.replace("a/c", b"x", None)
    assert did == ["fsync", "replace", "fsync"]
    (tmp_path / "upload").write_bytes(b"x")
    did.clear()
    store.adopt("a/d", tmp_path / "upload")
    assert did == ["fsync", "link", "fsync"]
    did.clear()
    store.delete("a/d")
    assert did == ["fsync"]  # the folder, without its name


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix", "https://nowhere.example/bucket"])
def test_an_address_that_is_no_bucket_is_refused(url):
    with pytest.raises(OptionError, match="expected an address such as s3://bucket/prefix"):
        ObjectsStore(url)


def test_an_object_store_that_is_not_there_is_said_so(monkeypatch, service):
    monkeypatch.setenv("AWS_ENDPOINT", service)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = ObjectsStore("s3://no-such-bucket/x")
    with pytest.raises(WorkspaceError, match="cannot be written.*Is the object store there"):
        store.create("a", b"x")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        store.entries("a")


def test_the_store_of_a_registry_is_named_by_argument_or_variable(s3_store, tmp_path, monkeypatch):
    s3_store.create("models/a/1/manifest.json", b"x")
    assert open_registry(tmp_path, s3_store.url).names() == ("a",)
    monkeypatch.setenv("MAASNB_STORE", s3_store.url)
    assert open_registry(tmp_path).names() == ("a",)
    monkeypatch.setenv("MAASNB_STORE", str(tmp_path / "elsewhere"))
    assert open_registry(tmp_path).names() == ()
    FolderStore(tmp_path / "elsewhere").create("models/b/1/manifest.json", b"x")
    assert open_registry(tmp_path).names() == ("b",)
