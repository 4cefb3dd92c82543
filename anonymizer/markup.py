"""Pages built as trees, so that whatever a film or a person is called cannot become markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, tostring

Content = str | Element


def element(tag: str, *children: Content, **attributes: str) -> Element:
    """An element; a trailing underscore of an attribute's name is dropped, others become hyphens.

    >>> text_of(element("p", "a < b ", element("b", "c"), class_='"'))
    '<p class="&quot;">a &lt; b <b>c</b></p>'
    """
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    made = Element(tag, names)
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    return made


def table(label: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Element:
    """A table that scrolls sideways where it is too wide; its first column names the rows.

    Args:
        label: What it holds, for those who hear it.
        heads: Names of the columns, or none.
        rows: Cells; anything that has a ``str``.
    """
    names = (element("th", name, scope="col") for name in heads)
    parts = [element("thead", element("tr", *names))] if heads else []
    body = element("tbody", *(_row(row) for row in rows))
    made = element("table", *parts, body)
    return element("div", made, class_="wide", tabindex="0", role="region", aria_label=label)


def _row(cells: Sequence[object]) -> Element:
    first, *others = map(str, cells)
    return element("tr", element("th", first, scope="row"), *(element("td", c) for c in others))


def text_of(root: Element) -> str:
    """The tree as HTML."""
    return tostring(root, encoding="unicode", method="html")
