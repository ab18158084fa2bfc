"""Cards: what tasks, models and reports may say, and where their files are found."""
