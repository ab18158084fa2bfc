"""Runs: plan, units of work, store, score. Resume lives here and nowhere else."""
