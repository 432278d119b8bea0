"""Flows of many texts, grouped by length so that little of a step is spent on padding."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from indextts.stages.flow_graph import FlowGroups
from indextts.stages.flow_matching import Flow, FlowGroup
from indextts.stages.member import Member

# Share of a group's frames that may be padding.
MOST_PADDING = 0.15


@dataclass
class FlowCounts:
    """Since the start.

    Attributes:
        steps: of the single flows.
        frames: computed in them, padding included.
        padding: of these frames.
    """

    steps: int = 0
    frames: int = 0
    padding: int = 0


class FlowQueue:
    """Members between their codes and their sound, the oldest first.

    Args:
        opener: of the groups.
    """

    def __init__(self, opener: FlowGroups) -> None:
        self.members: list[Member] = []
        self.counts = FlowCounts()
        self._opener = opener
        self._groups: dict[tuple[Member, ...], FlowGroup] = {}

    def join(self, member: Member) -> None:
        """A member whose flow has begun."""
        self.members.append(member)

    def leave(self, gone: Collection[Member]) -> None:
        """These go; others are ignored."""
        self._part_from(gone)
        self.members = [member for member in self.members if member not in gone]

    def groups(self, rows: int) -> list[tuple[Member, ...]]:
        """Who takes the next step together, at most `rows`; the group of the oldest first."""
        running = [member for member in self.members if not _flow(member).ended]
        return group_members(running, rows)

    def step(self, members: tuple[Member, ...]) -> list[Member]:
        """One step of a group that :meth:`groups` has named; returns those that have ended."""
        group = self._groups.get(members)
        if group is None:
            self._part_from(members)
            flows = [_flow(member) for member in members]
            group = self._groups[members] = self._opener.open(flows)
        group.step()
        computed = group.frames * len(members)
        real = sum(_flow(member).frames for member in members)
        self.counts.steps += len(members)
        self.counts.frames += computed
        self.counts.padding += computed - real
        ended = [member for member in members if _flow(member).ended]
        if ended:
            self._part_from(ended)
        return ended

    def start_over(self) -> None:
        """Back to the noise with everybody; nothing of the steps that were taken stays."""
        self._groups.clear()
        self._opener.forget()
        for member in self.members:
            _flow(member).start_over()

    def _part_from(self, members: Collection[Member]) -> None:
        """Undo the groups that any of these is in; every flow keeps its state."""
        for key in [key for key in self._groups if any(one in members for one in key)]:
            self._groups.pop(key).part()


def group_members(members: Sequence[Member], rows: int) -> list[tuple[Member, ...]]:
    """Groups of at most `rows` with little padding; the same for the same members.

    Flows with guidance and without do not mix.  Members of a failed step stay alone.
    """
    groups: list[list[Member]] = []
    # The longest first: each one fills up what it is put to.
    for member in sorted(members, key=lambda one: -_flow(one).frames):
        group = groups[-1] if groups else []
        if not group or len(group) >= rows or not _fits(member, group):
            groups.append([member])
        else:
            group.append(member)
    oldest = {member: place for place, member in enumerate(members)}
    for group in groups:
        group.sort(key=oldest.__getitem__)
    groups.sort(key=lambda group: oldest[group[0]])
    return [tuple(group) for group in groups]


def _fits(member: Member, group: Sequence[Member]) -> bool:
    if member.failures or any(one.failures for one in group):
        return False
    if any(_flow(one).guided != _flow(member).guided for one in group):
        return False
    frames = [_flow(one).frames for one in (*group, member)]
    return 1.0 - sum(frames) / (max(frames) * len(frames)) <= MOST_PADDING


def _flow(member: Member) -> Flow:
    assert member.flow is not None
    return member.flow
