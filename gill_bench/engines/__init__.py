"""Engines: where units of work are executed.

Work comes as jobs (`job`), which know what they need loaded and how they are done. The dispatcher (`dispatch`) hands
them to workers, counts what fails and stops when it is too much; it knows neither models nor metrics. Workers sit in
this process (`local`), in processes of this machine (`processes`), or on the nodes of a Ray cluster (`ray`).
"""
