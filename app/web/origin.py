"""Whose page sent a request.

A page may make a browser send a form to any address, also to one that only this browser can
reach, as 127.0.0.1 is; CORS decides who reads the answer, not whether the form is sent.
"""

from __future__ import annotations

from flask import Request


def from_other_site(request: Request, allowed: tuple[str, ...]) -> bool:
    """Whether a browser sent this for a page that is not ours.

    Args:
        request: as it came; programs that are no browser send no Origin.
        allowed: origins whose pages may do what ours may; ``*`` for all.
    """
    origin = request.headers.get("Origin")
    if origin is None or origin in allowed or "*" in allowed:
        return False
    # The browser's own word, where it gives it: a proxy may have taken the port from Host.
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site != "same-origin"
    return origin.partition("://")[2] != request.host
