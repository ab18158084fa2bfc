"""Intervals, tests and spread over seeds: numbers in, numbers out."""
