"""Metrics as pure functions of arrays, texts and labels: no cards, no weights, no files of a run."""
