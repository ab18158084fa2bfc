"""Distances between two sets of pictures: FID and KID over the features of a named network.

`prepare` says how a stored picture becomes what the network is shown, `inception` and `clip_vision` are the networks,
`pipeline` turns files into features or statistics, `kid` and `gill_bench.metrics.frechet` turn those into numbers, and
`samples` says what can be expected of them. Nothing is imported here: each part is imported where it is used.
"""
