"""Pipelines of diffusers: loading them, and sampling with noise that belongs to one picture."""
