from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from app.runner.engine import Engine
from app.runner.runner import InferenceRunner
from tests.app.conftest import wait_until
from tests.app.runner.bench import POLICY, Bench, Maker, Recorder
from tests.app.stand_in_engine import StandInEngine


@pytest.fixture
def make() -> Maker:
    def build(
        device: str = "cpu",
        load: Callable[[str | None], Engine] | None = None,
        ready: bool = True,
        start: bool = True,
        **policy: object,
    ) -> Bench:
        recorder = Recorder()
        runner = InferenceRunner(
            load or (lambda override: StandInEngine(override or device)),
            dataclasses.replace(POLICY, **policy),  # type: ignore[arg-type]
            recorder.exits.append,
            recorder,
        )
        if start:
            runner.start()
        if ready and start:
            wait_until(lambda: runner.status().status == "healthy")
        return Bench(runner, recorder)

    return build
