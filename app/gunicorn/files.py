"""How many connections a worker may have, given how many files."""

from __future__ import annotations

import resource

MOST_CONNECTIONS = 1000
# Libraries, model files, counters, logs; beside those, what a request opens: downloads, spooled
# uploads.
_OWN_FILES = 96
_FILES_OF_A_THREAD = 6


def connection_limit(threads: int, files: int | None = None) -> int:
    """Connections of a worker, fewer than it may have files, so that it never lacks one.

    Args:
        threads: of the worker.
        files: open files allowed; None asks the system.
    """
    if files is None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if files == resource.RLIM_INFINITY:
            return MOST_CONNECTIONS
    spare = files - _OWN_FILES - threads * _FILES_OF_A_THREAD
    # Even where files are scarce, each thread needs a connection, and one must be able to come in.
    return max(threads + 1, min(MOST_CONNECTIONS, spare))
