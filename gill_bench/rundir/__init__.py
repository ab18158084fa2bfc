"""The run directory: every file of a run is described, read and written here."""
