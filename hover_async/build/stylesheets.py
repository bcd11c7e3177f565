"""Root-relative addresses in stylesheets, moved to where a build's files are. Pure."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
      /\*.*?(?:\*/|\Z)                                          # a comment stays as it is
    | (?P<import>@import\s+["'])(?P<imported>/(?!/)[^"'\n]*)    # @import "/theme.css"
    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'                 # so does any other string
    | (?<![\w-])(?P<url>url\(\s*["']?)(?P<path>/(?!/)[^"')\s]*) # url(/image.png)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def prefix_root_urls(stylesheet: str, prefix: str) -> str:
    """Put `prefix` (`/<build id>`) before each root-relative address that does not have it yet.

    Meant are `url(/...)` and its short form `@import "/..."`; addresses that are relative, name a
    host (`//cdn...`, `https:`) or carry their data (`data:`) stay, and so do comments and strings.
    Doing it twice changes nothing more.
    """

    def moved(token: re.Match[str]) -> str:
        opening = token["url"] or token["import"]
        path = token["path"] or token["imported"]
        if not opening or path == prefix or path.startswith(f"{prefix}/"):
            return token[0]
        return f"{opening}{prefix}{path}"

    return _TOKEN.sub(moved, stylesheet)
