"""Cards: the fields that tasks, models and reports may have, and the search for their files."""
