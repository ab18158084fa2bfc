"""The mini world: small synthetic data sets, and small checkpoints in the layouts of the published ones."""
