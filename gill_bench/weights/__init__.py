"""Weights of models and metrics: finding them, checking that they are whole, and their digest."""
