"""What a client sent: one sound, as a multipart field or as the bare body, within a size limit."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from pipeline.audio import MAX_BYTES

FIELD = "audio"
FRAMING = 64 * 1024  # bytes of a multipart body that are not sound
PATIENCE = 60.0  # seconds for a body to arrive
BARE = ("audio/", "application/octet-stream", "application/ogg")
HOW = f"send the sound in the multipart field {FIELD!r}, as in: curl -F {FIELD}=@clip.wav"


class RequestError(Exception):
    """A request that cannot be answered, and why.

    Attributes
    ----------
    status : int
        HTTP status, 4xx.
    code : str
        One word for programs.
    message, hint : str
        For people: what is wrong and what to do.
    headers : dict of str to str
        To be sent with the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, hint: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint, self.headers = (
            status,
            code,
            message,
            hint,
            headers or {},
        )


@dataclass(frozen=True)
class Upload:
    """One sound as it came.

    Attributes
    ----------
    name : str or None
        The sender's name for it, without folders and control characters.
    data : bytes
        As encoded by the sender.
    """

    name: str | None
    data: bytes


async def receive(request: Request) -> Upload:
    """Read the sound of a request. Nothing stays on disk: what is spooled there has no name.

    Raises
    ------
    RequestError
        Where the body is too large, too slow, of another kind, or not exactly one sound.
    """
    kind = request.headers.get("content-type", "").lower()
    if int(request.headers.get("content-length", 0)) > MAX_BYTES + FRAMING:
        raise _too_large()
    try:
        async with asyncio.timeout(PATIENCE):
            if kind.startswith("multipart/form-data"):
                return await _from_form(request)
            if not kind or kind.startswith(BARE):
                return Upload(None, b"".join([chunk async for chunk in _limited(request)]))
    except TimeoutError:
        message = f"the body took longer than {PATIENCE:.0f} s to arrive"
        raise RequestError(408, "slow", message, "send it again") from None
    except ClientDisconnect:  # nobody hears the answer, but the log stays free of traces
        raise RequestError(
            400, "cut", "the connection was cut before the body had arrived", "send it again"
        ) from None
    raise RequestError(415, "media", "the body is neither a form with a file nor a sound", HOW)


async def _limited(request: Request) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > MAX_BYTES + FRAMING:
            raise _too_large()
        yield chunk


def _too_large() -> RequestError:
    return RequestError(
        413, "large", f"the file is larger than {MAX_BYTES // 2**20} MiB", "send a shorter recording"
    )


async def _from_form(request: Request) -> Upload:
    try:
        form = await MultiPartParser(request.headers, _limited(request), max_files=8, max_fields=8).parse()
    except MultiPartException:
        raise RequestError(400, "form", "the multipart form cannot be read", HOW) from None
    try:
        file = _only_file(form)
        return Upload(base(file.filename), await file.read())
    finally:
        await form.close()


def _only_file(form: FormData) -> UploadFile:
    values = form.getlist(FIELD)
    if not values:
        raise RequestError(400, "field", f"the form has no field {FIELD!r}", HOW)
    if len(values) > 1:
        raise RequestError(
            400, "field", f"the form has {len(values)} fields {FIELD!r}", "send one sound at a time"
        )
    if not isinstance(values[0], UploadFile):
        raise RequestError(400, "field", f"the field {FIELD!r} holds text instead of a file", HOW)
    return values[0]


def base(name: str | None) -> str | None:
    """Return a sender's file name without folders and unprintable characters, at most 255 characters."""
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(c for c in last if c.isprintable())[:255] or None
