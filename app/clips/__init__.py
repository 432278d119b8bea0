"""Reference clips: told apart, fetched, decoded and judged.  Knows nothing of HTTP frameworks.

Whatever is wrong with a clip is a ``errors.ClipError`` with a sentence that is safe to show.
"""
