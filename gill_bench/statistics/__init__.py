"""Intervals and tests, as functions of arrays; no module here knows a run.

- `significance`: p-values (randomisation, bootstrap, t, McNemar), Holm's adjustment, effect size.
- `bootstrap`: mean and spread over seeds, and intervals of paired differences over clusters.
- `seed_variance`: how much an interval widens because other seeds could have been drawn.
- `mean_interval`: the 95 % interval of one reported mean, over clusters or over seeds.
"""
