"""A store in an S3-compatible object store, by obstore.

`create` and `replace` are conditional puts (`If-None-Match: *` and `If-Match` with the etag), so
the object store itself decides which of two writers was first.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from maasnb.errors import OptionError, WorkspaceError, missing_package
from maasnb.registry.store import Entry, Tagged

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["ObjectsStore"]

SCHEMES = ("s3://", "s3a://", "https://", "http://")


class ObjectsStore:
    """Keep objects in a bucket, below a prefix.

    Where the bucket is and who may write it is said as for every S3 client, by the environment:
    `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, and `AWS_ENDPOINT` for a service
    other than Amazon's.
    """

    def __init__(self, url: str) -> None:
        """Take the address of the bucket and prefix, as `s3://bucket/prefix`.

        Raises:
            OptionError: the address cannot be used.
            MissingPackageError: obstore is not installed.
        """
        try:
            import obstore  # noqa: PLC0415 - of the extra "s3"
            from obstore import exceptions, store  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise missing_package("A registry in an object store", "obstore", "s3") from error
        self.url = url.rstrip("/")
        self._obstore = obstore
        self._errors = exceptions
        # A service on this machine, or in a closed network, may have no TLS.
        options: Any = {"allow_http": True, "timeout": "60s", "connect_timeout": "5s"}
        try:
            self._store: ObjectStore = store.S3Store.from_url(self.url, client_options=options)
        except (exceptions.BaseError, ValueError) as error:
            message = (
                f"The store {url!r} cannot be used ({_first_line(error)}); expected an address "
                "such as s3://bucket/prefix, with AWS_REGION and, for a service other than "
                "Amazon's, AWS_ENDPOINT in the environment."
            )
            raise OptionError(message) from error

    def create(self, key: str, content: bytes) -> bool:
        """Store an object unless there is one already.

        Raises:
            WorkspaceError: the object store does not take it.
        """
        return self._put(key, content, "create")

    def adopt(self, key: str, path: Path) -> bool:
        """Store a file's content as an object unless there is one already.

        A large file goes in several parts, which the object store joins in one step at the end.

        Raises:
            WorkspaceError: the object store does not take it.
        """
        try:
            created = not self.exists(key)
            if created:
                # Not conditional, because parts cannot be; what is adopted is named by its content.
                self._obstore.put(self._store, key, path)
        except (self._errors.BaseError, OSError) as error:
            self._refuse("written", key, error)
        path.unlink(missing_ok=True)
        return created

    def replace(self, key: str, content: bytes, tag: str | None) -> bool:
        """Store an object in the place of the one with this tag.

        Raises:
            WorkspaceError: the object store does not take it.
        """
        return self._put(key, content, "create" if tag is None else {"e_tag": tag})

    def delete(self, key: str) -> None:
        """Take an object away, if there is one.

        Raises:
            WorkspaceError: the object store does not do it.
        """
        try:
            self._obstore.delete(self._store, key)
        except FileNotFoundError:
            return  # Amazon's does not mind; some do
        except (self._errors.BaseError, OSError) as error:
            self._refuse("deleted", key, error)

    def read(self, key: str) -> bytes | None:
        """Return an object's content, or None where there is none.

        Raises:
            WorkspaceError: the object store does not give it.
        """
        found = self.read_tagged(key)
        return None if found is None else found.content

    def read_tagged(self, key: str) -> Tagged | None:
        """Return an object with its etag, or None where there is none.

        Raises:
            WorkspaceError: the object store does not give it.
        """
        try:
            found = self._obstore.get(self._store, key)
            return Tagged(bytes(found.bytes()), found.meta.get("e_tag") or "")
        except FileNotFoundError:
            return None
        except (self._errors.BaseError, OSError) as error:
            self._refuse("read", key, error)

    def exists(self, key: str) -> bool:
        """Say whether there is an object.

        Raises:
            WorkspaceError: the object store does not answer.
        """
        try:
            self._obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        except (self._errors.BaseError, OSError) as error:
            self._refuse("read", key, error)
        return True

    def names(self, prefix: str) -> tuple[str, ...]:
        """Return the names directly below a prefix, sorted.

        Raises:
            WorkspaceError: the object store does not answer.
        """
        try:
            found = self._obstore.list_with_delimiter(self._store, prefix)
        except (self._errors.BaseError, OSError) as error:
            self._refuse("read", prefix, error)
        paths = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        return tuple(sorted(path.rstrip("/").rpartition("/")[2] for path in paths))

    def entries(self, prefix: str) -> tuple[Entry, ...]:
        """Return all objects below a prefix, sorted by key.

        Raises:
            WorkspaceError: the object store does not answer.
        """
        try:
            found = self._obstore.list(self._store, prefix).collect()
        except (self._errors.BaseError, OSError) as error:
            self._refuse("read", prefix, error)
        entries = [
            Entry(each["path"], each["size"], each["last_modified"].timestamp()) for each in found
        ]
        return tuple(sorted(entries, key=lambda entry: entry.key))

    def _put(self, key: str, content: bytes, mode: Any) -> bool:  # noqa: ANN401 - obstore's own
        try:
            self._obstore.put(self._store, key, content, mode=mode)
        except (self._errors.AlreadyExistsError, self._errors.PreconditionError):
            return False
        except (self._errors.BaseError, OSError) as error:
            if isinstance(error, FileNotFoundError) and mode != "create":
                return False  # what was to be replaced was deleted
            self._refuse("written", key, error)
        return True

    def _refuse(self, what: str, key: str, error: Exception) -> NoReturn:
        message = (
            f"The object {key!r} of the store {self.url!r} cannot be {what} "
            f"({_first_line(error)}). Is the object store there, and do AWS_ACCESS_KEY_ID and "
            "AWS_ENDPOINT fit it?"
        )
        raise WorkspaceError(message) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
