"""Engines: where units of work are executed."""
