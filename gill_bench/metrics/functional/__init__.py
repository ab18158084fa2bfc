"""Pure functions of metrics, from arrays, texts and labels to numbers; they know no cards, no weights and no runs.

`ranking` (ranks, recall, reciprocal ranks), `ndcg`, `frechet` (FID), `kid`, `vqa`, `captions` (BLEU, METEOR, ROUGE-L,
CIDEr) and `decision` (macro F1 of retrieving or generating). Each public docstring has an example, run as a test.
"""
