"""Addresses in stylesheets, moved to a build's directory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.build.stylesheets import prefix_root_urls

PREFIX = "/b20261123T063100Z-7f3a9c1d"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a{b:url(/i.png)}", "a{b:url(P/i.png)}"),
        ('a{b:url("/i.png")}', 'a{b:url("P/i.png")}'),
        ("a{b:url('/i (1).png')}", "a{b:url('P/i (1).png')}"),
        ("a{b:url(  \n '/i.png' )}", "a{b:url(  \n 'P/i.png' )}"),
        ("a{b:URL(/i.png)}", "a{b:URL(P/i.png)}"),
        ("a{b:url(/)}", "a{b:url(P/)}"),
        ("a{b:url(/x),url(/y)}", "a{b:url(P/x),url(P/y)}"),
        ("@import url(/t.css);", "@import url(P/t.css);"),
        ('@import "/t.css";', '@import "P/t.css";'),
        ("@import '/t.css' screen;", "@import 'P/t.css' screen;"),
        ("@font-face{src:url(/f.woff2?v=1#x)}", "@font-face{src:url(P/f.woff2?v=1#x)}"),
        ("a{b:url(P-other/i.png)}", "a{b:url(PP-other/i.png)}"),
    ],
)
def test_root_relative_addresses_get_the_prefix(before: str, after: str) -> None:
    """Each way to write a root-relative address is moved, and nothing else of the text."""
    assert prefix_root_urls(before.replace("P", PREFIX), PREFIX) == after.replace("P", PREFIX)


@pytest.mark.parametrize(
    "text",
    [
        "a{b:url(i.png)}",
        "a{b:url(../i.png)}",
        "a{b:url(//cdn.example/i.png)}",
        'a{b:url("//cdn.example/i.png")}',
        "a{b:url(https://example.org/i.png)}",
        "a{b:url(data:image/svg+xml;utf8,<svg xmlns='http://x'/>)}",
        "a{b:url(#id)}",
        "a{b:url()}",
        "a{b:url(P/i.png)}",
        "a{b:url(P)}",
        "/* url(/i.png) */",
        "/* unfinished url(/i.png)",
        'a{content:"url(/i.png)"}',
        "a{content:'it\\'s url(/i.png)'}",
        "a{b:my-url(/i.png)}",
        'a{content:"/path"}',
        "@import 'theme.css';",
    ],
)
def test_every_other_address_stays(text: str) -> None:
    """Relative, absolute, inlined, already moved, commented and quoted ones stay as they are."""
    text = text.replace("P", PREFIX)
    assert prefix_root_urls(text, PREFIX) == text


css = st.lists(
    st.sampled_from(
        ["url(", "/a", "//", ")", '"', "'", " ", "\n", "/*", "*/", "\\", "@import ", "x", PREFIX]
    )
).map("".join)


@given(css)
def test_moving_twice_is_moving_once(text: str) -> None:
    """A stylesheet that has been moved stays as it is when it is moved again."""
    once = prefix_root_urls(text, PREFIX)
    assert prefix_root_urls(once, PREFIX) == once


@given(css)
def test_only_prefixes_are_added(text: str) -> None:
    """Taking every prefix out again gives the text before, less its own prefixes."""
    assert prefix_root_urls(text, PREFIX).replace(PREFIX, "") == text.replace(PREFIX, "")
