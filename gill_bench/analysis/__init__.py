"""Analysis of finished runs, from what their run directories store.

- `compare`: two models or two runs, with p-values, intervals and largest changes; `align` pairs their examples.
- `golden`: regression checks of a run against stored numbers (`gill-bench check`).
- `intervals`: the intervals of the means in a table.
- `galleries`: examples with prompts, targets and outputs for the page; `gallery_records` holds their records.
"""
