"""Weights are fetched whole and verified, or not at all.

A file is fetched as a hidden part beside its target and takes its name when its SHA-256 is right.
What came before a cut, a crash or Ctrl-C stays as a part; the next try asks for the rest of the
same version (a Range with If-Range), or starts again where the server has no strong ETag, ignores
ranges, or has another version now.

It uses ``requests``, which two dependencies need anyway: it brings its own certificates and obeys
the usual proxy variables. Its own retries could not resume, so they are made here.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urljoin, urlsplit

from anonymizer import models
from anonymizer.errors import MissingWeights, UnwritableOutput
from anonymizer.models import Model
from anonymizer.partfile import Part, strong

if TYPE_CHECKING:
    from requests import Response, Session

Outcome = Literal["fetched", "replaced", "there already"]

TRIES: Final = 5
"""How often one file is asked for before giving up."""
PAUSE_S: Final = 1.0
"""Before the second try; doubles from try to try."""
TIMEOUT_S: Final = (10.0, 30.0)
"""To connect, and between two pieces of an answer."""
_BLOCK: Final = 1 << 16
_HOPS: Final = 5
"""Redirections that are followed."""
_BUSY: Final = frozenset([408, 425, 429])
"""Answers besides 5xx that may be others a little later."""

_WORDS: Final = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file grows beyond the size limit here",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to write here",
    errno.EPERM: "no permission to write here",
    errno.ENOTDIR: "its folder is not a folder",
    errno.EEXIST: "its folder is not a folder",
    errno.ELOOP: "there is a link where the unfinished file belongs",
}


class _Passing(Exception):
    """This try failed; another may not."""


class _Final(Exception):
    """No further try can help."""


def fetch(
    model: Model,
    folder: Path,
    *,
    progress: Callable[[int], None] | None = None,
    waiting: Callable[[], None] | None = None,
    pause_s: float = PAUSE_S,
) -> Outcome:
    """Fetch a model into ``folder``, which is made if need be, unless it lies there already.

    Several processes may do so at once: one fetches, the others wait for it.

    Args:
        model: What to fetch.
        folder: Where to.
        progress: Told how many bytes of the file are at hand, as they come.
        waiting: Called once if another process is fetching this file.
        pause_s: Before the second try, seconds; doubles from try to try.

    Raises:
        MissingWeights: if it cannot be had, or is not the registered file.
        UnwritableOutput: if the folder cannot be written.
    """
    target = folder / model.file
    if models.look(model, folder).state == "good":  # also where nothing may be written
        return "there already"
    with _writing(target):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(target, waiting):
            before = models.look(model, folder).state
            if before == "good":
                return "there already"
            _tried(model, Part(target), progress or (lambda _: None), pause_s)
    return "fetched" if before == "absent" else "replaced"


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn what goes wrong while writing into UnwritableOutput."""
    try:
        yield
    except OSError as error:
        said = _WORDS.get(error.errno or 0, f"cannot be written ({error.strerror})")
        reason = f"{said}; put that right, or name another folder by VEILFRAME_MODELS"
        raise UnwritableOutput(target, reason) from error


@contextmanager
def _alone(target: Path, waiting: Callable[[], None] | None) -> Iterator[None]:
    """Hold the file's lock; it falls when the process ends, however it ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(target.with_name(f".{target.name}.lock"), mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting:
            waiting()
        lock.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        lock.release()


def _tried(model: Model, part: Part, progress: Callable[[int], None], pause_s: float) -> None:
    """Try until the file has its name, a few times."""
    try:
        for number in range(TRIES - 1):
            with suppress(_Passing):
                return _try(model, part, progress)
            time.sleep(pause_s * 2**number)
        _try(model, part, progress)
    except (_Passing, _Final) as error:
        times = f", {TRIES} times; try later" if isinstance(error, _Passing) else ""
        by_hand = f"get it by hand, put it there, and run: anonymize models check {model.name}"
        reason = f"cannot be fetched: {model.url} {error}{times}; or {by_hand}"
        raise MissingWeights(part.target, reason) from error


def _try(model: Model, part: Part, progress: Callable[[int], None]) -> None:
    import requests

    whole = False
    try:
        if part.size != model.size:
            with requests.Session() as session:
                whole = _receive(session, model, part, progress)
    except requests.exceptions.SSLError as error:
        raise _Final("does not speak TLS, or its certificate is not trusted here") from error
    except requests.Timeout as error:
        raise _Passing("does not answer in time") from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise _Passing("cannot be reached, or the connection was cut") from error
    except requests.RequestException as error:
        raise _Final(f"cannot be asked for ({type(error).__name__})") from error
    _accept(model, part, whole=whole)


def _accept(model: Model, part: Part, *, whole: bool) -> None:
    """Give the part its name if it is the registered file; else it goes."""
    if part.size < model.size:
        raise _Passing(f"ended after {part.size} of {model.size} bytes")
    if differs := models.difference(model, part.path):
        part.drop()
        if whole:
            raise _Final(f"is another file now ({differs})")
        raise _Passing(f"did not continue what came before ({differs})")
    part.publish()


def _receive(session: Session, model: Model, part: Part, progress: Callable[[int], None]) -> bool:
    """Add what comes to the part; whether all of it came in this one answer."""
    tag = part.tag
    start = part.size if tag and part.size < model.size else 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "veilframe"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": tag}
    with _answer(session, model.url, headers) as response:
        resumed = _checked(response, model, start, part)
        if not resumed:
            part.begin(strong(response.headers.get("ETag", "")))
        _append(response, model, part, progress)
    return not resumed


@contextmanager
def _answer(session: Session, url: str, headers: dict[str, str]) -> Iterator[Response]:
    """The answer at the end of all redirections, none of which may leave https."""
    for _ in range(_HOPS):
        at = urlsplit(url)
        if at.scheme != "https" and (at.scheme, at.hostname) != ("http", "127.0.0.1"):
            raise _Final(f"leads to {url}, which is not https")
        response = session.get(
            url, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUT_S
        )
        with response:
            if not response.is_redirect:
                yield response
                return
            url = urljoin(url, response.headers["Location"])
    raise _Final(f"is redirected more than {_HOPS} times")


def _checked(response: Response, model: Model, start: int, part: Part) -> bool:
    """Whether the answer goes on from ``start``; else it is the file from its beginning."""
    code = response.status_code
    if code == 206 and start:
        expected = f"bytes {start}-{model.size - 1}/{model.size}"
        if response.headers.get("Content-Range") == expected:
            return True
    if code in (206, 416):
        part.drop()
        raise _Passing("answers with another range than was asked for")
    if code in _BUSY or code >= 500:
        raise _Passing(f"answers {code} {response.reason}")
    if code != 200:
        raise _Final(f"answers {code} {response.reason}")
    length = response.headers.get("Content-Length", str(model.size))
    if length != str(model.size):
        raise _Final(f"is another file now ({length} bytes, expected {model.size})")
    return False


def _append(response: Response, model: Model, part: Part, progress: Callable[[int], None]) -> None:
    with part.open() as file:
        for block in response.iter_content(_BLOCK):
            file.write(block)
            if file.tell() > model.size:
                break
            progress(file.tell())
    if part.size > model.size:
        part.drop()
        raise _Final(f"is longer than the registered {model.size} bytes")
