"""How far annotators agree: Krippendorff's alpha for nominal data, and the share of items that four of five agree on.

The one maintained library for alpha, `krippendorff`, is under the GPL, which this package cannot depend on.
`tests/statistics/test_agreement.py` holds the function to Krippendorff's published examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence


def krippendorff_alpha(items: Iterable[Collection[Hashable]]) -> float | None:
    """Krippendorff's alpha for nominal data, with any number of annotators and missing votes.

    alpha is 1 minus observed by expected disagreement: 1 if all agree, 0 if they agree as often as by chance.
    An item of one vote says nothing of agreement, and does not count. Source: Krippendorff, Computing Krippendorff's
    Alpha-Reliability (2011), section C.

    Args:
        items: The votes of each item, one for each annotator who voted.

    Returns:
        alpha; None if no item has two votes, or all votes are the same, where nothing is expected to disagree.

    >>> krippendorff_alpha([["a", "a"], ["a", "b"], ["b", "b"], ["b"]])
    0.4444444444444444
    """
    totals: Counter[Hashable] = Counter()
    observed = 0.0
    for votes in items:
        counts = Counter(votes)
        size = counts.total()
        if size < 2:
            continue
        totals += counts
        observed += (size * size - sum(count * count for count in counts.values())) / (size - 1)
    size = totals.total()
    expected = size * size - sum(count * count for count in totals.values())
    if not expected:
        return None
    return 1 - (size - 1) * observed / expected


def share_agreeing(items: Iterable[Sequence[Hashable]], least: int = 5) -> tuple[float | None, int]:
    """The share of items on which at least four of five votes agree.

    Args:
        items: The votes of each item.
        least: The number of votes that an item must have to count.

    Returns:
        The share of the counted items of which the most frequent vote has four fifths of the votes or more, None if no
        item counts; and the number of counted items.

    >>> share_agreeing([["a", "a", "a", "a", "b"], ["a", "a", "a", "b", "b"], ["a"]])
    (0.5, 2)
    """
    counted = [Counter(votes) for votes in items if len(votes) >= least]
    agreeing = sum(5 * max(counts.values()) >= 4 * counts.total() for counts in counted)
    return (agreeing / len(counted) if counted else None), len(counted)
