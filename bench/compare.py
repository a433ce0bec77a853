#!/usr/bin/env python3
"""Measures Pleat against the peers that are installed, in turn, round by round.

Networks: FILE.onnx or a built-in one of `pleat bench`, against
  onnxruntime  node's onnxruntime-node (1 to 20 us a call are JavaScript's), found through --node-modules or NODE_PATH
  pytorch      its network of that name (resnet50.onnx, mobilenetv2.onnx), eager, where torch imports
  onednn       of resnet18 and resnet50 the sum of its convolutions with ReLU, each run by itself again and again, so
               that its weights are in a cache (bench/peers/onednn_sum.cpp, which needs oneDNN 2: libdnnl-dev)
With --train a training step of a built-in network, against
  pytorch      the faster of its two layouts of images
  onednn       the sum of its convolutions, their gradients, and batch norms with ReLU and theirs
Matrix products (--gemm M,N,K: y = x W^T, x of M x K, W of N x K), Pleat's by kernels_bench's average, against
  openblas     cblas_sgemm of the shared library, which packs W each time, as Pleat does here
  onednn       benchdnn, where it is on the PATH; W packed beforehand, and so is Pleat's; its average time
Batch norm by itself (--batch-norm N,C,H,W: in training, forward and backward, ReLU in it), in both layouts of images,
Pleat's by kernels_bench's average, against
  pytorch      F.relu(F.batch_norm(x)) and its backward

A round measures Pleat, then each peer, in processes of their own, so that a machine's drift meets all alike. A ratio
is a peer's time over Pleat's in the same round, each the median of its runs: above 1 Pleat is faster. Quoted are the
median over the rounds and the range; and of the single fastest run of each side, which a busy machine disturbs least.
"""

import argparse
import itertools
import json
import os
import platform
import re
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
NETWORK_PEERS = {"onnxruntime": ["node", PEERS / "onnxruntime.cjs"], "pytorch": ["python3", PEERS / "pytorch.py"]}
TRAINING_PEERS = ["pytorch", "onednn"]
GEMM_PEERS = {"openblas": ["python3", PEERS / "openblas.py"], "onednn": ["python3", PEERS / "onednn.py"]}
GEMM_OF_PLEAT = {"openblas": "packed_each_time", "onednn": "packed_once"}
BATCH_NORM_PEERS = {"pytorch": ["python3", PEERS / "pytorch_batch_norm.py"]}
BATCH_NORM_OF_PLEAT = {"nchw": "forward_backward_relu", "nhwc": "forward_backward_relu_channels_last"}


class Skipped(Exception):
    """What was asked cannot be measured; the text says why."""


def last_line(text, otherwise):
    lines = text.strip().splitlines()
    return lines[-1] if lines else otherwise


def run_json(command, environment):
    """The JSON object that the command prints last (or, of kernels_bench, as a whole)."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    except OSError as error:
        raise Skipped(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise Skipped(last_line(done.stderr, f"{command[0]}: exit code {done.returncode}"))
    for text in (last_line(done.stdout, ""), done.stdout):
        try:
            return json.loads(text)
        except ValueError:
            continue
    raise Skipped(last_line(done.stderr, f"{command[0]}: printed no JSON"))


def label(network):
    """A file's name without its ending; its folder's where it is called model.onnx, as in public collections."""
    path = Path(network)
    return path.resolve().parent.name if path.name == "model.onnx" else path.stem if path.suffix else network


class Network:
    """A network at a batch and a number of threads; as the other kinds of cases: who else can run it, and how."""

    def __init__(self, args, environment, name, batch, threads):
        self.args, self.environment = args, environment
        self.name, self.batch, self.threads = name, batch, threads

    def facts(self):
        return {"network": label(self.name), "batch": self.batch, "threads": self.threads}

    @staticmethod
    def peers(args):
        peers = {**NETWORK_PEERS, "onednn": [args.onednn_sum]}
        return {name: command for name, command in peers.items() if name in TRAINING_PEERS or not args.train}

    def options(self):
        size = ["--size", self.args.size] if self.args.size else []
        return size + (["--train"] if self.args.train else [])

    def pleat_name(self, peer):
        """What Pleat runs beside that peer: measured once a round for all peers of one name."""
        return self.name

    def pleat_times(self, name):
        args = self.args
        command = [args.pleat, "bench", name, "--batch", self.batch, "--threads", self.threads]
        return run_json(command + ["--seconds", args.seconds, "--json", *self.options()], self.environment)

    def peer_options(self):
        return ["--network", self.name, "--batch", self.batch, *self.options()]

    def peer_times(self, peer):
        command = [*self.peers(self.args)[peer], "--threads", self.threads, "--seconds", self.args.seconds]
        return run_json(command + self.peer_options(), self.environment)


class Kernel(Network):
    """One benchmark of kernels_bench."""

    def pleat_times(self, name):
        args = self.args
        command = [args.kernels_bench, f"--benchmark_filter=^{name}$", f"--benchmark_min_time={args.seconds}"]
        found = run_json(command + ["--benchmark_format=json"], self.environment)["benchmarks"]
        unit = {"ns": 1e-3, "us": 1, "ms": 1e3}[found[0]["time_unit"]]
        return {"median_us": found[0]["real_time"] * unit}


class Gemm(Kernel):
    def __init__(self, args, environment, sizes, threads):
        super().__init__(args, environment, "gemm {}x{}x{}".format(*sizes), sizes[0], threads)
        self.sizes = sizes

    @staticmethod
    def peers(args):
        return GEMM_PEERS

    def pleat_name(self, peer):
        sizes = "m:{}/n:{}/k:{}".format(*self.sizes)
        time = "/real_time" if self.threads > 1 else ""
        return f"gemm_bench/{GEMM_OF_PLEAT[peer]}/{sizes}/threads:{self.threads}{time}"

    def peer_options(self):
        return ["--gemm", ",".join(map(str, self.sizes))]


class BatchNorm(Kernel):
    def __init__(self, args, environment, sizes, layout, threads):
        super().__init__(args, environment, "batch_norm {}x{}x{}x{} {}".format(*sizes, layout), sizes[0], threads)
        self.sizes, self.layout = sizes, layout

    @staticmethod
    def peers(args):
        return BATCH_NORM_PEERS

    def pleat_name(self, peer):
        sizes = "n:{}/c:{}/h:{}/w:{}".format(*self.sizes)
        return f"batch_norm/{BATCH_NORM_OF_PLEAT[self.layout]}/{sizes}/threads:{self.threads}/real_time"

    def peer_options(self):
        return ["--batch-norm", ",".join(map(str, self.sizes)), "--layout", self.layout]


def installed(peers, environment):
    """The peers that answer --probe with their version, and why the others do not."""
    versions, missing = {}, {}
    for name, command in peers.items():
        try:
            versions[name] = run_json([*command, "--probe"], environment)["version"]
        except Skipped as reason:
            missing[name] = str(reason)
    return versions, missing


def fastest(times):
    """The fastest run, of programs that tell single ones; else their average."""
    return times.get("min_us", times["median_us"])


def measure(case, peers, rounds, skipped):
    """One result for each peer that can run the case."""
    times = {peer: [] for peer in peers}
    for _ in range(rounds):
        ours = {}
        for peer in list(times):
            name = case.pleat_name(peer)
            try:
                if name not in ours:
                    ours[name] = case.pleat_times(name)
                times[peer].append((ours[name], case.peer_times(peer)))
            except Skipped as reason:
                del times[peer]
                skipped.append({**case.facts(), "peer": peer, "reason": str(reason)})
    results = []
    for peer, pairs in times.items():
        ours, theirs = ([side["median_us"] for side in sides] for sides in zip(*pairs))
        best_ours, best_theirs = (min(map(fastest, sides)) for sides in zip(*pairs))
        ratios = [their_time / our_time for our_time, their_time in zip(ours, theirs)]
        results.append(
            {
                **case.facts(),
                "peer": peer,
                "pleat_us": statistics.median(ours),
                "peer_us": statistics.median(theirs),
                "ratio": statistics.median(ratios),
                "ratio_min": min(ratios),
                "ratio_max": max(ratios),
                "pleat_best_us": best_ours,
                "peer_best_us": best_theirs,
                "best_ratio": best_theirs / best_ours,
            }
        )
    return results


def cpu_name():
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


ROW = "{:<32} {:>5} {:>7}  {:<12} {:>12} {:>12} {:>10}  {:<10} {:>6}"


def print_row(out, result):
    spread = f"{result['ratio_min']:.2f}..{result['ratio_max']:.2f}"
    numbers = [f"{result['pleat_us']:.1f}", f"{result['peer_us']:.1f}", f"{result['ratio']:.2f}"]
    row = [result[key] for key in ("network", "batch", "threads", "peer")]
    print(ROW.format(*row, *numbers, spread, f"{result['best_ratio']:.2f}"), file=out, flush=True)


def whole_numbers(text):
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text}: numbers must be at least 1")
    return numbers


def sizes_of(*names):
    """An option's type: as many whole numbers."""

    def parsed(text):
        sizes = whole_numbers(text)
        if len(sizes) != len(names):
            raise argparse.ArgumentTypeError(f"{text}: needed {','.join(names)}")
        return sizes

    return parsed


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("networks", nargs="*", metavar="MODEL", help="FILE.onnx, or a built-in network of pleat")
    add("--gemm", action="append", default=[], type=sizes_of("M", "N", "K"), metavar="M,N,K",
        help="a product; may be repeated")
    add("--batch-norm", action="append", default=[], type=sizes_of("N", "C", "H", "W"), metavar="N,C,H,W",
        help="batch norm by itself, of a size that kernels_bench has; may be repeated")
    add("--train", action="store_true", help="training steps instead of answers")
    add("--batch", type=whole_numbers, default=[1], metavar="N,...", help="items a run (default 1)")
    add("--threads", type=whole_numbers, default=[1], metavar="N,...", help="threads to compute with (default 1)")
    add("--size", type=int, metavar="N", help="height and width of images where a network leaves them open")
    add("--rounds", type=int, default=5, help="default 5")
    add("--seconds", type=float, default=2, help="to measure each of them for, each round (default 2)")
    add("--peers", type=lambda text: text.split(","), metavar="NAME,...", help="only these (default: all installed)")
    add("--node-modules", type=Path, metavar="DIR", help="the folder that holds onnxruntime-node (else NODE_PATH)")
    add("--pleat", type=Path, default=HERE.parent / "build/tools/pleat", help="default build/tools/pleat")
    add("--onednn-sum", type=Path, default=HERE.parent / "build/bench/onednn_sum", metavar="FILE",
        help="default build/bench/onednn_sum")
    add("--kernels-bench", type=Path, default=HERE.parent / "build/bench/kernels_bench", metavar="FILE",
        help="default build/bench/kernels_bench")
    add("--json", action="store_true", help="one JSON object on stdout, the table on stderr")
    args = parser.parse_args()
    if not (args.networks or args.gemm or args.batch_norm):
        parser.error("nothing to measure: give networks, --gemm or --batch-norm")
    if args.rounds < 1 or args.seconds < 0:
        parser.error("--rounds must be at least 1, --seconds not negative")
    unknown = set(args.peers or []) - set(NETWORK_PEERS) - set(GEMM_PEERS)
    if unknown:
        parser.error(f"no peer {', '.join(sorted(unknown))}; there are {', '.join([*NETWORK_PEERS, *GEMM_PEERS])}")
    return args


def main():
    args = parse()
    out = sys.stderr if args.json else sys.stdout
    environment = dict(os.environ)
    if args.node_modules:
        environment["NODE_PATH"] = str(args.node_modules.resolve())
    cases = [Network(args, environment, *what) for what in itertools.product(args.networks, args.batch, args.threads)]
    cases += [Gemm(args, environment, *what) for what in itertools.product(args.gemm, args.threads)]
    cases += [BatchNorm(args, environment, *what)
              for what in itertools.product(args.batch_norm, BATCH_NORM_OF_PLEAT, args.threads)]
    wanted = {name: command for case in cases for name, command in case.peers(args).items()}
    wanted = {name: command for name, command in wanted.items() if name in (args.peers or wanted)}
    versions, missing = installed(wanted, environment)

    print(f"{cpu_name()}, {os.cpu_count()} CPUs", file=out)
    for name, version in versions.items():
        print(f"{name} {version}", file=out)
    for name, reason in missing.items():
        print(f"{name}: not measured: {reason}", file=out)
    head = ("network", "batch", "threads", "peer", "pleat us", "peer us", "peer/pleat", "range", "best")
    print(ROW.format(*head), file=out)
    results, skipped = [], []
    for case in cases:
        for result in measure(case, [name for name in versions if name in case.peers(args)], args.rounds, skipped):
            results.append(result)
            print_row(out, result)
    for entry in skipped:
        print(f"skipped: {', '.join(f'{key} {value}' for key, value in entry.items())}", file=out)
    if args.json:
        summary = {"cpu": cpu_name(), "cpus": os.cpu_count(), "rounds": args.rounds, "seconds": args.seconds}
        print(json.dumps({**summary, "peers": versions, "missing": missing, "results": results, "skipped": skipped}))
    return 0 if results else 1


if __name__ == "__main__":
    sys.exit(main())
