"""The embedded default: a small synthetic world, and small checkpoints laid out as the real ones."""
