"""Checks that run before an evaluation: of data folders and of models."""
