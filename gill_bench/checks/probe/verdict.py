"""From the trials of a probe to its verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from gill_bench.checks.probe.evidence import Evidence, Tally, at_most
from gill_bench.checks.probe.material import Site
from gill_bench.rundir.probes import Order, ProbedPart, Verdict

SOMETIMES = 0.75
"""A part that changes outputs in a smaller share of trials than this is weakly read."""
SOMETIMES_OF_TEXTS = 0.3
"""The same for texts, of which many stay the same although the model reads what was replaced: "yes" remains "yes"."""
FAINT, FAINT_OF_ROUNDING = 0.03, 0.1
"""A part whose effect is below this share of the usual effect of a part (the median of those read) is weakly read; the
second share is for a part that never changes a picture by more than one level of 255."""
ROUNDING_OF_ORDER = 0.005
"""An exchange that changes no picture by more than one level, and has less than this share of the usual effect of its
kind, is no sign of order: sums in another order round differently."""


def verdict_of(evidence: Evidence, tally: Tally, *, texts: bool) -> Verdict:
    """The verdict on a part.

    Args:
        evidence: The trials of the probe.
        tally: The trials in which the part was replaced.
        texts: Whether the outputs are texts.
    """
    if not tally.shows:
        return "not read"
    others = [evidence.tally(site) for site in evidence.sites]
    often = max(evidence.everything.rate, *(other.rate for other in others))
    sometimes = tally.rate < (SOMETIMES_OF_TEXTS if texts else SOMETIMES) * often
    usual = median(other.mean for other in others if other.shows)
    faint = tally.mean < (FAINT if tally.clearly else FAINT_OF_ROUNDING) * usual
    return "weakly read" if sometimes or faint else "read"


def parts_of(evidence: Evidence, measures: Mapping[Site, Mapping[str, float]], *, texts: bool) -> list[ProbedPart]:
    """The verdict on each part, in reading order."""
    following = dict(evidence.exchanged) if evidence.same_again else {}
    parts = []
    for site in evidence.sites:
        tally = evidence.tally(site)
        verdict = verdict_of(evidence, tally, texts=texts)
        bounded = verdict == "not read" and evidence.same_again
        after = next((trials for (first, _), trials in following.items() if first == site), None)
        parts.append(
            ProbedPart(
                site.kind,
                site.position,
                verdict,
                _rounded(evidence.effect(tally)),
                tally.trials,
                tally.changed,
                _rounded(at_most(tally.trials)) if bounded else None,
                _effect(evidence, evidence.tallies.get((site, "dropped"))),
                _effect(evidence, evidence.tallies.get((site, "blanked"))),
                _effect(evidence, after),
                dict(measures.get(site, {})),
            )
        )
    return parts


def orders_of(evidence: Evidence, parts: Sequence[ProbedPart]) -> dict[str, Order]:
    """Whether the order of parts is read, for each kind with two or more parts.

    "Not read" of a kind that is weakly read would say too little: it is then "not applicable".
    """
    orders: dict[str, Order] = {}
    for kind in dict.fromkeys(site.kind for site in evidence.sites):
        verdicts = [part.verdict for part in parts if part.kind == kind]
        exchanges = [tally for (site, _), tally in evidence.exchanged.items() if site.kind == kind]
        if len(verdicts) > 1 and exchanges:
            means = [evidence.tally(site).mean for site in evidence.sites if site.kind == kind]
            least = ROUNDING_OF_ORDER * median(means)
            read = any(tally.shows and (tally.clearly > 0 or tally.mean > least) for tally in exchanges)
            weak = "weakly read" in verdicts and verdicts.count("read") < 2
            orders[kind] = "read" if read else "not applicable" if weak else "not read"
    return orders


def order_of(orders: Mapping[str, Order], parts: Sequence[ProbedPart]) -> Order:
    """The verdict on order over all kinds: "not read" if it is not for a kind of which several parts are read."""
    several = [kind for kind in orders if sum(part.kind == kind and part.verdict == "read" for part in parts) > 1]
    verdicts = {orders[kind] for kind in several or orders}
    if "not read" in verdicts and (several or "read" not in verdicts):
        return "not read"
    return "read" if "read" in verdicts else "not applicable"


def _effect(evidence: Evidence, tally: Tally | None) -> float | None:
    return _rounded(evidence.effect(tally)) if tally and tally.trials else None


def _rounded(value: float) -> float:
    """Four significant digits: what a reader can use, and the same on machines that round sums differently."""
    return float(f"{value:.4g}")
