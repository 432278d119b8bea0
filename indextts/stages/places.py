"""Where members are that take no steps with others now."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from indextts.stages.member import Member


class Places:
    """Members between two stages, in order.

    Attributes:
        again: begun, and waiting for a slot: once more, or because there was no memory.
        decoded: their codes are there.
        voicing: their mels are there.
    """

    def __init__(self) -> None:
        self.again: deque[Member] = deque()
        self.decoded: deque[Member] = deque()
        self.voicing: deque[Member] = deque()

    def __iter__(self) -> Iterator[Member]:
        yield from self.again
        yield from self.decoded
        yield from self.voicing

    def put(self, member: Member) -> None:
        """Put a member where it belongs, behind the others."""
        if member.decoding:
            member.slot = None
            self.again.append(member)
        elif member.flow is None or not member.flow.ended:
            self.decoded.append(member)
        else:
            self.voicing.append(member)

    def remove(self, gone: Collection[Member]) -> None:
        """These go; others are ignored."""
        for place in (self.again, self.decoded, self.voicing):
            staying = [member for member in place if member not in gone]
            place.clear()
            place.extend(staying)
