"""Asking people which of two pictures is better, and what follows from their votes (paper App. F).

- `study`: what annotators are asked: the examples, and the two pictures of each, under names that say nothing.
- `from_run`, `from_folder`: the pictures of a study: stored or retrieved by models of a run, or files in two folders.
- `votes`: the votes of each annotator, a line in a file for each, on disk before anybody is told that it is kept.
- `returned`: files that annotators send back who have no server.
- `tally`: how many votes there are, and how far annotators agree.
- `partiprompts_files`: votes as the files that the authors of GILL released, which the task `partiprompts` reads.
- `preference`: which of two models people prefer, with the paired test of `gill-bench compare`.
"""
