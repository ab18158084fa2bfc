"""From a request to a plan: everything that can be known before any weights are loaded.

`request.RunRequest` is what a user asks for, in names. `selection` finds the cards of these names, `resolve` checks
their settings, data and weights, `recipe` collects everything that changes a cell's outputs, and `cells` compares a
cell with the stored units. `plan.make_plan` does all of it in this order; `resolved` and `metrics` hold the results.
"""
