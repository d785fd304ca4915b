#!/usr/bin/env python3
"""One engine with one model in a process of its own: `worker.py ENGINE MODEL THREADS SETTINGS`, the last as JSON.

Everything it says is a line of JSON. First how long opening took; then, for each request that it reads, how long a run
took, and the memory resident behind them. A request is `{"feeds": [FILE.npz, ...], "runs": N, "save": FILE.npz}`: N runs,
with the feeds in turn, after which the answers of the last are saved if asked for. The answer has their sums too. `{"error": ...}` says what went wrong; it
is the last word if opening failed. At the end of the input it answers with its peak resident memory.
"""

import json
import os
import sys
import time

import numpy as np
from engines import ENGINES


def memory(kind):
    """Bytes of this process: `VmRSS` are resident now, `VmHWM` were at most."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(kind))


def first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [repr(error)]
    return f"{type(error).__name__}: {next((line for line in lines if 'rror' in line), lines[0])}"[:300]


def main():
    name, model, threads, settings = sys.argv[1:]
    # What an engine prints must not stand between the answers.
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    say = lambda **answer: print(json.dumps(answer), file=channel, flush=True)
    start = time.perf_counter()
    try:
        engine = ENGINES[name](model, int(threads), json.loads(settings))
    except Exception as error:
        return say(error=first_line(error))
    say(open_s=time.perf_counter() - start)

    loaded = {}

    def feeds_of(file):
        if file not in loaded:
            with np.load(file) as arrays:
                loaded[file] = engine.prepare({name: arrays[name] for name in arrays.files if name in engine.inputs})
        return loaded[file]

    for line in sys.stdin:
        request = json.loads(line)
        try:
            feeds, runs = [feeds_of(file) for file in request["feeds"]], request["runs"]
            start = time.perf_counter()
            for i in range(runs):
                results = engine.run(feeds[i % len(feeds)])
            answer = {"seconds": (time.perf_counter() - start) / runs}
            answer["resident_bytes"] = memory("VmRSS")
            if request.get("save"):
                answers = engine.answers(results)
                np.savez(request["save"], *answers)
                answer["sums"] = [float(np.sum(a, dtype=np.float64)) for a in answers]
            say(**answer)
        except Exception as error:
            say(error=first_line(error))
    say(peak_bytes=memory("VmHWM"))


if __name__ == "__main__":
    main()
