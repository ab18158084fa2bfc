"""Engines: where the jobs of a run are done. An engine changes how long a run takes, and never what comes out.

Making and scoring outputs is cut into jobs (`job`), which say what they need loaded and how they are done. The
dispatcher (`dispatcher`) gives jobs to the workers (`worker`) of a pool, counts failures and stops at too many; it
knows neither models nor metrics. Generating and scoring call `engine.Engine`. There are two engines: "local" (`local`:
one worker in this process, or workers in `processes`) and "ray" (`ray`: workers on the nodes of a cluster).

To add an engine:

1. Write `engines/<name>.py` with a class that has the six methods of `dispatcher.WorkerPool`: names, open, give, wait,
   recall and close. Each slot of it has a `worker.Worker`, which is given the requests as they arrive (`give`), and
   does them (`reply`); `processes.ProcessPool` is an example of 140 lines. On the other side of a process boundary
   `worker.serve` sends the replies, and turns errors into messages that can be sent. What may run side by side in one
   process: docs/design/house.md, "Engines".
2. In the same module write what `options.EngineModule` lists: TAKES_ADDRESS, choose_devices, workers_for_small_models
   and open_pools, as at the top of `ray`. Packages that only this engine needs are imported only by this module.
3. Register the module in `options.ENGINES`. The command line, `gill_bench.run` and messages take the name from there.
4. Add the pool to POOLS in `tests/engines/pools.py`: the contract in `tests/engines/test_pools.py` (all jobs are done,
   in any order; a job that raises, a worker that dies, closing) then runs against it.
"""
