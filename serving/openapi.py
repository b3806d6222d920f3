"""The description of the interface, OpenAPI 3.1: shapes from `serving.answers`, limits from the settings."""

from typing import Any

from pydantic.json_schema import models_json_schema

from serving.answers import Answer, Batch, Details, Refusal
from serving.settings import Settings

REFERENCE = "#/components/schemas/{model}"
WHY = {
    400: "The request is not what this address takes.",
    401: "A token is needed, and this is none or another.",
    404: "There is none.",
    408: "The body took too long to arrive.",
    413: "The body is too large.",
    415: "The body is no sound that can be read.",
    422: "The sound cannot be used: too short, silent, too long.",
    429: "The service, or this client, has all it can have: see Retry-After.",
    504: "The service did not come to an answer in time.",
}
SOUND = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
SWITCH = {"type": "string", "enum": ["0", "1"], "default": "0"}


def describe(settings: Settings) -> dict[str, Any]:
    """Return the document that ``/docs.json`` gives."""
    _, schemas = models_json_schema(
        [(shape, "serialization") for shape in (Answer, Batch, Details, Refusal)], ref_template=REFERENCE
    )
    upload = [400, 408, 413, 415, 429, 504]
    size, files = settings.max_file_bytes / 2**20, settings.max_batch_files
    single = {
        "multipart/form-data": {"schema": _form(SOUND)},
        **{kind: {"schema": SOUND} for kind in ("application/octet-stream", "audio/*", "video/*")},
    }
    several = {"type": "array", "items": SOUND, "minItems": 1, "maxItems": files}
    paths = {
        "/predict": {
            "post": _operation(
                "predict",
                "What does one sound express?",
                f"WAV, FLAC, Ogg, MP3, AIFF, M4A or WebM by its content, at most {size:g} MiB and "
                f"{settings.max_seconds:g} seconds; as a file in the field audio or as the bare body.",
                _json("Answer"),
                [*upload, 422],
                settings,
                parameters=[
                    _switch("timeline", f"Also judge windows of {settings.window:g} seconds by themselves."),
                    _switch("picture", "Also draw the waveform and the spectrogram."),
                ],
                body=single,
            )
        },
        "/predict/batch": {
            "post": _operation(
                "predict_batch",
                "What do several sounds express?",
                f"Up to {files} files, each in a field audio; together at most "
                f"{settings.max_batch_bytes / 2**20:g} MiB. What is wrong with one of them stands in "
                "its place among the answers.",
                _json("Batch"),
                upload,
                settings,
                body={"multipart/form-data": {"schema": _form(several)}},
            )
        },
        "/model": {"get": _operation("model", "Which model answers?", "", _json("Details"), [], settings)},
        "/model/card": {
            "get": _operation(
                "model_card",
                "What is the model good for, and how good is it?",
                "Markdown, or a page where the header Accept names text/html.",
                {
                    "text/markdown": {"schema": {"type": "string"}},
                    "text/html": {"schema": {"type": "string"}},
                },
                [404],
                settings,
            )
        },
        "/metrics": {
            "get": _operation("metrics", "What was counted, for Prometheus", "", _text(), [], settings)
        },
        "/healthz": {"get": _operation("healthz", "Does the process run?", "", _text(), [], None)},
        "/readyz": {"get": _operation("readyz", "Is there a model to answer with?", "", _text(), [], None)},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Emotion Detector",
            "version": "1",
            "description": "Recognises the emotion of a voice. Recordings are not kept. "
            "Not for judging people: not at work, not at school, not anywhere else.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _form(value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"audio": value}, "required": ["audio"]}


def _switch(name: str, words: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": words, "schema": SWITCH}


def _json(shape: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REFERENCE.format(model=shape)}}}


def _text() -> dict[str, Any]:
    return {"text/plain": {"schema": {"type": "string"}}}


def _operation(
    name: str,
    summary: str,
    description: str,
    content: dict[str, Any],
    errors: list[int],
    settings: Settings | None,
    parameters: list[dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe one operation; without `settings` it is open to everybody."""
    guarded = settings is not None and settings.secret is not None
    responses: dict[str, Any] = {"200": {"description": "The answer.", "content": content}}
    for status in sorted([*errors, *([401] if guarded else [])]):
        responses[str(status)] = {"description": WHY[status], "content": _json("Refusal")}
        if status == 429:
            seconds = {"description": "Seconds.", "schema": {"type": "string"}}
            responses["429"]["headers"] = {"Retry-After": seconds}
    told: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    if description:
        told["description"] = description
    if parameters:
        told["parameters"] = parameters
    if body:
        told["requestBody"] = {"required": True, "content": body}
    if guarded:
        told["security"] = [{"token": []}]
    return told
