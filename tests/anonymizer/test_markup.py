from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from anonymizer.markup import element, table, text_of


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.said += data


def seen(html: str) -> Seen:
    parser = Seen()
    parser.feed(html)
    parser.close()
    return parser


@given(st.text("<>&\"'/ax=;\n-!", max_size=20), st.text("<>&\"'/ax=;\n", max_size=20))
def test_words_stay_words(words, value):
    html = text_of(element("p", words, element("b", words, title=value), words))
    found = seen(html)
    assert found.tags == [("p", {}), ("b", {"title": value})]
    assert found.said == words * 3


def test_a_table_has_heads_and_names_its_rows():
    found = seen(text_of(table("x", ["what", "how many"], [["<faces>", 3]])))
    assert [tag for tag, _ in found.tags] == [
        *("div", "table", "thead", "tr", "th", "th"),
        *("tbody", "tr", "th", "td"),
    ]
    assert found.said == "whathow many<faces>3"
