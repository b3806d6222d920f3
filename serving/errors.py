"""Everything that a request can fail of, in the one form that every error takes."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.audio import AudioError

STATUS = {"large": 413, "unreadable": 415}  # of sounds that cannot be used; 422 where not named
PLACES = {
    404: ("address", "the page is at /, the description of the interface at /docs"),
    405: ("method", "see /docs for the method that this address takes"),
}


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
        self.status, self.code, self.message, self.hint = status, code, message, hint
        self.headers = headers or {}


def form(code: str, message: str, hint: str) -> dict[str, dict[str, str]]:
    """Return the body of an error."""
    return {"error": {"code": code, "message": message, "hint": hint}}


def failure(error: RequestError) -> Response:
    """Return the answer that says what is wrong."""
    body = form(error.code, error.message, error.hint)
    return JSONResponse(body, status_code=error.status, headers=error.headers)


async def refused(request: Request, error: Exception) -> Response:
    """Answer where something is wrong with the request, its sound or its address, or with us."""
    match error:
        case RequestError():
            told = error
        case AudioError():
            told = RequestError(STATUS.get(error.code, 422), error.code, error.message, error.hint)
        case HTTPException():
            code, hint = PLACES.get(error.status_code, ("request", "see /docs for how to call the service"))
            told = RequestError(
                error.status_code, code, error.detail.lower(), hint, dict(error.headers or {})
            )
        case _:  # the log says more than the client may know
            hint = "try another recording, and tell the operator"
            told = RequestError(500, "fault", "the service made a mistake", hint)
    request.state.told["code"] = told.code
    return failure(told)
