"""Training of the embedded weights from a seed, in stages that resume after an interruption; see docs/mini.md."""
