"""Pure functions of metrics: arrays, texts and labels go in, numbers come out; no cards, no weights, no run files.

`ranking` (ranks, recall, reciprocal ranks), `ndcg`, `frechet` (FID), `kid`, `vqa`, `captions` (BLEU, METEOR, ROUGE-L,
CIDEr) and `decision` (macro F1 of retrieving or generating). Each public docstring has an example, run as a test.
"""
