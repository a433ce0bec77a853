"""What the peers in Python share: their options, and how a call is timed as `pleat bench` does it."""

import argparse
import json
import statistics
import sys
import time


def numbers(text):
    return [int(part) for part in text.split(",")]


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--network")
    parser.add_argument("--gemm", type=numbers, metavar="M,N,K")
    parser.add_argument("--batch-norm", type=numbers, metavar="N,C,H,W")
    parser.add_argument("--layout", choices=["nchw", "nhwc"], default="nchw")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2)
    return parser.parse_args()


def runs_of(call, seconds):
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times


def times_us(call, seconds):
    """{"median_us": ..., "min_us": ...} of single calls, after a warm-up."""
    runs_of(call, 0.2 * seconds)
    times = runs_of(call, seconds)
    return {"median_us": 1e6 * statistics.median(times), "min_us": 1e6 * min(times)}


def report(**result):
    print(json.dumps(result))


def fail(text):
    sys.exit(text)
