"""`gill-bench data fetch` and `gill-bench weights fetch`: what can be downloaded without a person is downloaded.

Addresses, sizes and checksums are data in the cards (`gill_bench.cards.sources.WebFile`). Files go to the places that
`gill-bench data check` names and where `--weights` looks; a file appears there whole or not at all.
"""
