"""Training of the embedded weights from the seed, in stages that resume; see docs/mini.md."""
