"""The bar that shows how far a synthesis is."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from indextts.request import Progress

_TITLES = {"gpt": "speaking", "s2mel": "voicing"}


class ProgressBar:
    """One bar for the stage that runs; a decode has no known end, so its bar may stop early."""

    def __init__(self, *, quiet: bool) -> None:
        self._bar: tqdm[Any] | None = None
        self._stage: tuple[str, int] | None = None
        self._quiet = quiet

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, progress: Progress) -> None:
        """Show a step."""
        stage = (progress.stage, progress.first_segment)
        if stage != self._stage:
            self.__exit__()
            title = _TITLES.get(progress.stage, progress.stage)
            if progress.segments > 1:
                last = progress.last_segment + 1
                title += f" {progress.first_segment + 1}-{last}/{progress.segments}"
            self._bar = tqdm(total=progress.total, desc=title, disable=self._quiet, leave=False)
            self._stage = stage
        if self._bar is not None:
            self._bar.update(progress.done + 1 - self._bar.n)
