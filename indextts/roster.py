"""The requests in work: whose each segment is, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from indextts.stages.member import Member
from indextts.stages.synthesis import SynthesisRun


class Roster:
    """See the module.

    Attributes:
        runs: the requests, in the order in which they have come.
        owners: of each member in work, its request.
    """

    def __init__(self) -> None:
        self.runs: list[SynthesisRun] = []
        self.owners: dict[Member, SynthesisRun] = {}
        self._failures: dict[SynthesisRun, int] = {}
        self._last_served: dict[SynthesisRun, int] = {}
        self._served = 0

    @property
    def is_clear(self) -> bool:
        """Whether nothing is left of anybody."""
        return not (self.runs or self.owners or self._failures or self._last_served)

    @property
    def is_alone(self) -> bool:
        """Whether one member at most is in work."""
        return len(self.owners) <= 1

    def remove(self, run: SynthesisRun) -> set[Member]:
        """Forget a request; returns the members that it had in work."""
        self.runs.remove(run)
        self._last_served.pop(run, None)
        self._failures.pop(run, None)
        gone = {member for member, owner in self.owners.items() if owner is run}
        self.owners = {member: owner for member, owner in self.owners.items() if member not in gone}
        return gone

    def in_turn(self) -> list[SynthesisRun]:
        """First segments of streams first, then the request that has the fewest in work."""

        def turn(run: SynthesisRun) -> tuple[bool, int, int]:
            return not run.urgent, len(run.members), self._last_served.get(run, 0)

        return sorted(self.runs, key=turn)

    def serve(self, run: SynthesisRun, member: Member) -> None:
        """It is this request's turn: its member is taken into work."""
        self.owners[member] = run
        self._served += 1
        self._last_served[run] = self._served

    def own_all(self) -> list[Member]:
        """All members that requests say they have in work; they are owned again."""
        self.owners = {member: run for run in self.runs for member in run.members}
        return list(self.owners)

    def count_failure(self, run: SynthesisRun) -> int:
        """How often work of this request has failed, this time included."""
        self._failures[run] = self._failures.get(run, 0) + 1
        return self._failures[run]

    def by_run(self, members: Iterable[Member]) -> list[tuple[SynthesisRun, list[Member]]]:
        """Members with the request that they are of; those that are gone are left out."""
        found: dict[SynthesisRun, list[Member]] = {}
        for member in members:
            if member in self.owners:
                found.setdefault(self.owners[member], []).append(member)
        return list(found.items())

    @contextmanager
    def stage(self, name: str, members: Sequence[Member]) -> Iterator[None]:
        """Time a block for all requests that these members are of."""
        first, *others = [run.clock for run, _ in self.by_run(members)]
        with first.stage(name, *others):
            yield
