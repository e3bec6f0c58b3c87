"""Take patterns together that differ in some words only, as the names of people in them do.

Patterns are few, some hundreds at most: the engine has made them of any number of lines.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["WORD", "merged"]

WORD: Final = "<word>"
"""Stands for a word that varies."""

_LEAST_WORDS: Final = 4
"""How many different words must stand in one place before the place is taken for variable."""
_LEAST_ALIKE: Final = 0.6
"""The share of words that must be the same."""


def merged(patterns: Sequence[tuple[Hashable, str]]) -> list[tuple[str, list[int]]]:
    """Groups of patterns: what they have in common, and the indexes of those that belong to it, in their order.

    Each pattern comes with a key; only those with equal keys can come together.
    """
    clusters: dict[tuple[Hashable, int], list[list[int]]] = defaultdict(list)
    words = [text.split(" ") for _, text in patterns]
    for index, (key, _) in enumerate(patterns):
        alike = clusters[key, len(words[index])]
        for cluster in alike:
            if _likeness(words[cluster[0]], words[index]) >= _LEAST_ALIKE:
                cluster.append(index)
                break
        else:
            alike.append([index])
    groups = [group for alike in clusters.values() for cluster in alike for group in _settled(cluster, words)]
    return sorted(groups, key=lambda group: group[1][0])


def _likeness(one: Sequence[str], other: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def _settled(cluster: list[int], words: Sequence[Sequence[str]]) -> list[tuple[str, list[int]]]:
    """One group for the cluster, unless a place in it varies between a few words only: those are kinds of their own."""
    places = list(zip(*(words[index] for index in cluster), strict=True))
    variety = [len(set(place)) for place in places]
    if len(cluster) == 1 or any(1 < count < _LEAST_WORDS for count in variety):
        return _by_fixed_places(cluster, words, variety)
    return [(" ".join(WORD if count > 1 else place[0] for place, count in zip(places, variety, strict=True)), cluster)]


def _by_fixed_places(
    cluster: list[int], words: Sequence[Sequence[str]], variety: Sequence[int]
) -> list[tuple[str, list[int]]]:
    fixed = [count < _LEAST_WORDS for count in variety]
    groups: dict[str, list[int]] = defaultdict(list)
    for index in cluster:
        spelled = (word if keeps else WORD for word, keeps in zip(words[index], fixed, strict=True))
        groups[" ".join(spelled)].append(index)
    # A word that varies nowhere else in its group is told as it is.
    return [(" ".join(words[members[0]]) if len(members) == 1 else text, members) for text, members in groups.items()]
