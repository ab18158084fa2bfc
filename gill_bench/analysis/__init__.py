"""Comparing finished runs: pairs of models, regression checks, intervals, galleries."""
