"""Which function stands in which stack: CloudFormation takes 500 resources and 1 MB of each.

A function never changes its stack: that would be a deletion and a creation of the same name, which
CloudFormation tries in the wrong order. So there is no rule that a growing stage could come to
break. What stands stays where it stands, whatever is added, renamed or removed; a queue function
that is new goes into the first stack with room: the stage's own, then `Workers1`, `Workers2`, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from hover_async.values import FunctionName

OWN = ""
"""The place of what stands in the stage's own stack; every other is a nested stack's id."""

Places = Mapping[FunctionName, str]
"""Where each function stands: a nested stack's logical id, or `OWN`."""


@dataclass(frozen=True)
class Size:
    """How much of a template something takes."""

    resources: int
    size_bytes: int

    def __add__(self, other: Size) -> Size:
        return Size(self.resources + other.resources, self.size_bytes + other.size_bytes)

    def fits(self, room: Size) -> bool:
        return self.resources <= room.resources and self.size_bytes <= room.size_bytes


MOST = Size(500, 1_000_000)
"""What CloudFormation takes of one template, through S3."""
ROOM = Size(400, 800_000)
"""Up to here a stack takes new functions; the rest is for those it has, should they grow."""


EMPTY = Size(0, 0)


@dataclass
class _Stacks:
    """How much each stack holds, by its place."""

    taken: dict[str, Size] = field(default_factory=dict)

    def add(self, place: str, size: Size) -> None:
        self.taken[place] = self.taken.get(place, EMPTY) + size

    def with_room_for(self, size: Size) -> str:
        places = (OWN, *(f"Workers{number}" for number in range(1, len(self.taken) + 1)))
        for place in places:
            if (self.taken.get(place, EMPTY) + size).fits(ROOM):
                return place
        return next(
            place
            for place in (f"Workers{number}" for number in count(1))
            if place not in self.taken
        )


def split(
    sizes: Iterable[tuple[FunctionName, Size]],
    *,
    fixed: Size,
    at_home: Iterable[FunctionName],
    standing: Places,
) -> Places:
    """A place for every function of `sizes`, in their order.

    `fixed` is what the stage's own stack holds anyhow; the functions `at_home` belong there.
    `standing` is where functions stand now.
    """
    sizes, home = list(sizes), set(at_home)
    known = {name: OWN if name in home else standing.get(name) for name, _ in sizes}
    stacks = _Stacks({OWN: fixed})
    for name, size in sizes:
        if (place := known[name]) is not None:
            stacks.add(place, size)
    places: dict[FunctionName, str] = {}
    for name, size in sizes:
        place = known[name]
        if place is None:
            place = stacks.with_room_for(size)
            stacks.add(place, size)
        places[name] = place
    return places
