"""The pictures of a conversation: files beside its transcript, named by the hash of their content.

Those of ``2026/11/X.txt`` are ``2026/11/X.pictures/SHA256.png`` and so on. A picture is written before the
message that shows it, and once however often it is shown. The suffix is for people who open the folder.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chatcli.chat.message import Picture
from chatcli.chat.pictures import MOST_BYTES
from chatcli.errors import ChatcliError, StorageError
from chatcli.files.disk import read_regular, remove_file, storage_error, sync_folder
from chatcli.files.replace import atomic_write
from chatcli.storage.transcripts import layout

# Offset and bytes by which the formats that ``engine.pictures`` reads are told, and their suffix.
_BEGINNINGS = (
    (0, b"\x89PNG", ".png"),
    (0, b"\xff\xd8\xff", ".jpg"),
    (0, b"GIF8", ".gif"),
    (8, b"WEBP", ".webp"),
    (0, b"BM", ".bmp"),
    (0, b"II*\0", ".tiff"),
    (0, b"MM\0*", ".tiff"),
    (4, b"ftypavi", ".avif"),
)


class PictureFolder:
    """The pictures of one conversation.

    Args:
        transcript: its file; nothing needs to be there yet.

    Attributes:
        path: of the folder, which appears with the first picture.
    """

    def __init__(self, transcript: Path) -> None:
        self.path = layout.pictures_of(transcript)

    def read(self, picture: Picture) -> bytes:
        """The bytes of a picture.

        Raises:
            StorageError: it is missing, cannot be read, or was changed.
        """
        name = _shown(picture.name)
        changed = False
        for file in self._files(picture):
            try:
                data = _content(file)
            except OSError as error:
                raise storage_error(f"read the picture {name},", file, error) from error
            if data is not None and hashlib.sha256(data).hexdigest() == picture.sha256:
                return data
            changed = True
        what = "was changed" if changed else "is missing"
        raise StorageError(
            f"the picture {name} {what}: {self.path / picture.sha256[:12]}…; attaching it again puts it back"
        )

    @contextmanager
    def holding(self, pictures: Iterable[Picture]) -> Iterator[None]:
        """Write pictures before the ``with`` block runs; if it raises, remove those that were new.

        Pictures that can no longer be read are passed over.

        Raises:
            StorageError: one could not be written; all is as before.
        """
        new: list[Path] = []
        try:
            for picture in pictures:
                if not self._has(picture) and (data := _bytes_of(picture)) is not None:
                    new.append(self.path / f"{picture.sha256}{_suffix(data)}")
                    atomic_write(new[-1], data)
            yield
        except BaseException:
            for file in new:
                with contextlib.suppress(StorageError):
                    remove_file(file)
            with contextlib.suppress(OSError):  # unless there are others
                self.path.rmdir()
            raise

    def missing(self, pictures: Iterable[Picture]) -> list[Picture]:
        """The pictures that are not in this folder, each once."""
        return [picture for picture in dict.fromkeys(pictures) if not self._has(picture)]

    def remove(self) -> None:
        """Remove all pictures.

        Raises:
            StorageError: they cannot be removed.
        """
        try:
            if self.path.is_symlink():
                self.path.unlink()
            elif self.path.is_dir():
                shutil.rmtree(self.path)
            else:
                return
            sync_folder(self.path.parent)
        except OSError as error:
            raise storage_error("remove", self.path, error) from error

    @property
    def size(self) -> int:
        """Size of all pictures, in bytes."""
        total = 0
        with contextlib.suppress(OSError):
            for file in self.path.iterdir():
                total += file.stat().st_size
        return total

    def _files(self, picture: Picture) -> list[Path]:
        return sorted(self.path.glob(f"{picture.sha256}*"))

    def _has(self, picture: Picture) -> bool:
        try:
            self.read(picture)
        except StorageError:
            return False
        return True


def _content(file: Path) -> bytes | None:
    """The bytes of a file; None if it has more than a picture."""
    data = read_regular(file, MOST_BYTES + 1)
    return data if len(data) <= MOST_BYTES else None


def _bytes_of(picture: Picture) -> bytes | None:
    try:
        return picture.read() if picture.read is not None else None
    except ChatcliError:
        return None


def _suffix(data: bytes) -> str:
    return next((suffix for at, begin, suffix in _BEGINNINGS if data.startswith(begin, at)), "")


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)
