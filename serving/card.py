"""The model card for people who read it in a browser; programs get the Markdown."""

from markdown_it import MarkdownIt
from starlette.responses import HTMLResponse, PlainTextResponse, Response

PAGE = """\
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Model card</title>
  <link rel="icon" href="../page/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="../page/docs.css">
</head>
<body>
<main>
{text}
</main>
</body>
</html>
"""


def respond(text: str, accept: str) -> Response:
    """Return the card as a page where the Accept header names HTML and not Markdown, else as it is."""
    accepted = accept.lower()
    if "text/html" in accepted and "text/markdown" not in accepted:
        return HTMLResponse(PAGE.format(text=rendered(text)), headers={"Vary": "Accept"})
    return PlainTextResponse(text, media_type="text/markdown", headers={"Vary": "Accept"})


def rendered(text: str) -> str:
    """Return the card's HTML. HTML that stands in the card itself is shown, not obeyed."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in tokens:
        token.attrs.pop("style", None)  # of aligned tables; the content security policy forbids it
    return str(markdown.renderer.render(tokens, markdown.options, {}))
