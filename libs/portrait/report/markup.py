"""HTML that cannot be broken by what stands in the data: text is escaped unless it is already `Html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

VOID = {"meta", "br", "col"}


class Html(str):
    """Text that is markup already."""


def h(tag: str, *children: str | None, **attributes: str | None) -> Html:
    """An element. Children and attributes that are None are left out; `class_` means class, `aria_label` aria-label."""
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    opening = "".join(f' {name}="{escape(value)}"' for name, value in names.items())
    if tag in VOID:
        return Html(f"<{tag}{opening}>")
    return Html(f"<{tag}{opening}>{join(*children)}</{tag}>")


def join(*parts: str | None) -> Html:
    """Parts one after the other, escaped where they are plain text."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts if part is not None))


def bar(share: float | None, text: str) -> Html:
    """A table cell's content: the figure, and a bar of that share (0..1) behind it; no bar for None."""
    width = 0.0 if share is None else max(0.0, min(1.0, share)) * 100
    track = h("span", Html(f'<span style="width:{width:.1f}%"></span>'), class_="track", aria_hidden="true")
    return h("span", track, h("span", text, class_="figure"), class_="meter")


@dataclass(frozen=True)
class Head:
    """A column of a table: its heading, and whether it holds figures."""

    title: str
    number: bool = False


def table(caption: str, heads: Sequence[Head], rows: Sequence[Sequence[str]], *, visible_caption: bool = False) -> Html:
    """A table with caption and row headings, in a frame that scrolls sideways on a narrow screen."""
    header = h("tr", *[h("th", head.title, scope="col", class_="n" if head.number else None) for head in heads])
    lines = []
    for row in rows:
        first, *rest = row
        cells = [h("td", cell, class_="n" if head.number else None) for head, cell in zip(heads[1:], rest, strict=True)]
        lines.append(h("tr", h("th", first, scope="row"), *cells))
    body = h(
        "table",
        h("caption", caption, class_=None if visible_caption else "quiet"),
        h("thead", header),
        h("tbody", *lines),
    )
    return h("div", body, class_="scroll", tabindex="0", role="region", aria_label=caption)


def folded(summary: str, content: Html) -> Html:
    """Content that opens on demand."""
    return h("details", h("summary", summary), content)


def card(title: str, *content: str | None, wide: bool = False, note: str | None = None) -> Html:
    """A panel with a heading of the third level and, below it, a line that says how to read it."""
    return h(
        "article",
        h("h3", title),
        h("p", note, class_="note") if note else None,
        *content,
        class_="card wide" if wide else "card",
    )


def remark(title: str, sentence: str) -> Html:
    """A panel that holds one sentence."""
    return h("article", h("h3", title), h("p", sentence, class_="empty"), class_="card short")


def section(anchor: str, title: str, lead: str, *content: str | None) -> Html:
    """A section of the page: heading, one sentence with what matters, and its panels."""
    return h(
        "section",
        h("h2", title, id=f"{anchor}-title"),
        h("p", lead, class_="lead"),
        h("div", *content, class_="cards") if any(content) else None,
        id=anchor,
        aria_labelledby=f"{anchor}-title",
    )
