"""From HTML to the text that a reader sees.

Not by `html.parser`: before Python 3.13.6 its time grows with the square of a hostile text, to minutes for 100 KB;
here each character is read a bounded number of times. Broken HTML is read much as browsers do (HTML Standard,
section 13.2.5): markup that is opened and never closed takes the rest with it, and a `<` that begins nothing is
itself.
"""

import html
import re
from collections.abc import Iterator

_MARKUP = re.compile(r"<(?:/?[a-zA-Z]|!--|[!?/])")
_TAG = re.compile(r"""<(?P<closing>/?)(?P<name>[a-zA-Z][^\s/>]*+)(?>=\s*+"[^"]*+"|=\s*+'[^']*+'|[^>])*+>""")
_COMMENT_END = re.compile("--!?>")

_LINE_BREAKING = re.compile(
    "address|article|aside|blockquote|br|caption|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6r]|"
    "header|legend|li|main|nav|ol|p|pre|section|summary|table|tr|ul"
)
_CELLS = frozenset(("td", "th"))
_HIDDEN = ("script", "style", "template", "iframe")
_END_OF_HIDDEN = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _HIDDEN}


def text_of(source: str) -> str:
    """The text, a line for each paragraph, list item and the like; no line is empty.

    Without any tag, the line breaks are those of the source.
    """
    marked_up = _MARKUP.search(source) is not None
    lines = "".join(_pieces(source)).split("\n") if marked_up else html.unescape(source).splitlines()
    tidy = (" ".join(line.split()) for line in lines)
    return "\n".join(line for line in tidy if line)


def _pieces(source: str) -> Iterator[str]:
    """What is shown, piece by piece; line breaks only where the markup has them."""
    position = 0
    while (markup := _MARKUP.search(source, position)) is not None:
        yield _in_one_line(source[position : markup.start()])
        tag = _TAG.match(source, markup.start())
        if tag is None:
            position = _end_of_declaration(source, markup)
        else:
            name = tag["name"].lower()
            yield _in_place_of(name)
            position = _end_of_hidden(source, name, tag.end()) if not tag["closing"] else tag.end()
    yield _in_one_line(source[position:])


def _in_one_line(text: str) -> str:
    return html.unescape(text).replace("\n", " ")


def _in_place_of(tag: str) -> str:
    if _LINE_BREAKING.fullmatch(tag):
        return "\n"
    return " " if tag in _CELLS else ""


def _end_of_declaration(source: str, markup: re.Match[str]) -> int:
    """Where a comment or `<!DOCTYPE …>` ends; the end of the source for a tag that never does."""
    if markup[0][-1].isalpha():
        return len(source)
    if markup[0] != "<!--":
        return source.find(">", markup.end()) + 1 or len(source)
    end = _COMMENT_END.search(source, markup.end() - 2)  # `<!-->` is a comment
    return end.end() if end else len(source)


def _end_of_hidden(source: str, name: str, position: int) -> int:
    """Where the content of an element ends that is not shown; `position` for any other."""
    if name not in _END_OF_HIDDEN:
        return position
    end = _END_OF_HIDDEN[name].search(source, position)
    return end.start() if end else len(source)
