"""What a client sent: sounds, as multipart fields or one as the bare body, within limits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from serving.errors import RequestError
from serving.settings import Settings

FIELD = "audio"
FRAMING = 64 * 1024  # bytes of a multipart body that are not sound
FEW = 8  # fields of a form that is to hold one sound: more is no such form
BARE = ("audio/", "video/", "application/octet-stream", "application/ogg")  # WebM and MP4 are sent as video
HOW = f"send the sound in the multipart field {FIELD!r}, as in: curl -F {FIELD}=@clip.wav"


@dataclass(frozen=True)
class Upload:
    """One sound as it came.

    Attributes
    ----------
    name : str or None
        The sender's name for it, without folders and control characters.
    content : UploadFile or bytes
        As encoded by the sender. Nothing of it stays on disk: what is spooled there has no name.
    limit : int
        Bytes.
    """

    name: str | None
    content: UploadFile | bytes
    limit: int

    async def data(self) -> bytes:
        """Return its bytes.

        Raises
        ------
        RequestError
            Where they are too many.
        """
        if isinstance(self.content, bytes):
            return self.content
        if (self.content.size or 0) > self.limit:
            raise too_large(self.limit)
        return await self.content.read()


@asynccontextmanager
async def one(request: Request, settings: Settings) -> AsyncIterator[Upload]:
    """Read a request that holds one sound.

    Raises
    ------
    RequestError
        Where the body is too large, too slow, of another kind, or not exactly one sound.
    """
    limit = settings.max_file_bytes
    if _kind(request).startswith("multipart/form-data"):
        async with _form(request, limit + FRAMING, FEW, settings) as values:
            if len(values) > 1:
                message = f"the form has {len(values)} fields {FIELD!r}"
                raise RequestError(
                    400, "field", message, "send one sound at a time, or all to /predict/batch"
                )
            yield _upload(values[0], limit)
        return
    if (kind := _kind(request)) and not kind.startswith(BARE):
        raise RequestError(415, "media", "the body is neither a form with a file nor a sound", HOW)
    async with _arriving(settings):
        data = b"".join([chunk async for chunk in _limited(request, limit)])
    yield Upload(None, data, limit)


@asynccontextmanager
async def several(request: Request, settings: Settings) -> AsyncIterator[list[Upload | RequestError]]:
    """Read a form that holds several sounds; a field that holds none gives what is wrong with it.

    Raises
    ------
    RequestError
        Where the body is too large, too slow, or no form with as many sounds as are taken.
    """
    if not _kind(request).startswith("multipart/form-data"):
        hint = f"send each sound in a multipart field {FIELD!r}: curl -F {FIELD}=@a.wav -F {FIELD}=@b.wav"
        raise RequestError(415, "media", "the body is no form with files", hint)
    limit = settings.max_batch_bytes
    async with _form(request, limit, settings.max_batch_files, settings) as values:
        uploads: list[Upload | RequestError] = []
        for value in values:
            try:
                uploads.append(_upload(value, settings.max_file_bytes))
            except RequestError as error:
                uploads.append(error)
        yield uploads


@asynccontextmanager
async def _form(
    request: Request, limit: int, files: int, settings: Settings
) -> AsyncIterator[list[UploadFile | str]]:
    """Give the values of the field, of which there is at least one."""
    try:
        async with _arriving(settings):
            parser = MultiPartParser(
                request.headers, _limited(request, limit), max_files=files, max_fields=max(FEW, files)
            )
            form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many"):
            raise RequestError(400, "form", f"the form has more than {files} files", "send fewer") from None
        raise RequestError(400, "form", "the multipart form cannot be read", HOW) from None
    try:
        values = form.getlist(FIELD)
        if not values:
            raise RequestError(400, "field", f"the form has no field {FIELD!r}", HOW)
        yield values
    finally:
        await form.close()


@asynccontextmanager
async def _arriving(settings: Settings) -> AsyncIterator[None]:
    """Say what is wrong where a body does not arrive."""
    try:
        async with asyncio.timeout(settings.upload_timeout):
            yield
    except TimeoutError:
        message = f"the body took longer than {settings.upload_timeout:g} s to arrive"
        raise RequestError(408, "slow", message, "send it again") from None
    except ClientDisconnect:  # nobody hears the answer, but the log stays free of traces
        message = "the connection was cut before the body had arrived"
        raise RequestError(400, "cut", message, "send it again") from None


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    announced = request.headers.get("content-length", "0")
    received = int(announced) if announced.isdecimal() else 0
    if received > limit:
        raise too_large(limit)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise too_large(limit)
        yield chunk


def too_large(limit: int) -> RequestError:
    """Return the refusal of what is larger than `limit` bytes."""
    size = f"{limit / 2**20:g} MiB" if limit >= 2**20 else f"{limit} bytes"
    return RequestError(413, "large", f"this is larger than {size}", "send a shorter recording")


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").lower()


def _upload(value: UploadFile | str, limit: int) -> Upload:
    if not isinstance(value, UploadFile):
        raise RequestError(400, "field", f"the field {FIELD!r} holds text instead of a file", HOW)
    return Upload(base(value.filename), value, limit)


def base(name: str | None) -> str | None:
    """Return a sender's file name without folders and unprintable characters, at most 255 characters."""
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:255] or None
