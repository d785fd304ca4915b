#!/usr/bin/env python3
"""One engine with one model in a process of its own: `worker.py ENGINE MODEL FEEDS.npz THREADS`.

Reads a number of runs from each line of its input and answers with the seconds that they took; at the end of the input
it answers with its peak resident memory in bytes. The first line it writes is the seconds for opening the model.
"""

import json
import sys
import time

import numpy as np


def peak_memory():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def open_onnxruntime(model, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session


def open_accordion(model, threads):
    import accordion

    return accordion.load(model, threads=threads)


def main():
    engine, model, feeds, threads = sys.argv[1:]
    start = time.perf_counter()
    session = {"onnxruntime": open_onnxruntime, "accordion": open_accordion}[engine](model, int(threads))
    opened = time.perf_counter() - start
    with np.load(feeds) as file:
        takes = {value.name for value in session.get_inputs()}
        inputs = {name: file[name] for name in file.files if name in takes}
    answers = session.run(None, inputs)
    print(json.dumps({"open_s": opened, "sum": [float(np.sum(a, dtype=np.float64)) for a in answers]}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            session.run(None, inputs)
        print((time.perf_counter() - start) / int(line), flush=True)
    print(peak_memory(), flush=True)


if __name__ == "__main__":
    main()
