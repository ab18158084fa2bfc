"""Weights of models and metrics: where they are, whether they are whole, and their digest."""
