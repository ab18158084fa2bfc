"""Generation: getting outputs from models, one unit of work at a time, and storing them.

`jobs` cuts the pending units of a plan into jobs for the engine. `generate` does one unit: it builds the prompts
(`prompts`), calls the model, and checks what the model returned (`returned`) or how long it took (`timing`). `reasons`
turns an exception that the model raised into the reason that the run keeps.
"""
