#!/usr/bin/env python3
"""compare_test.py COMPARE: what bench/compare.py makes of programs that print known times."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

COMPARE = Path(sys.argv.pop(1)).resolve()

# Prints the times in turn, one each time it is called; or fails where it is asked for network broken.onnx.
PROGRAM = """#!{python}
import json, pathlib, sys
if "--probe" in sys.argv:
    print(json.dumps(dict(version="1.2")))
elif "broken.onnx" in sys.argv:
    sys.exit("broken.onnx is no network")
else:
    file = pathlib.Path(__file__ + ".calls")
    calls = int(file.read_text()) if file.exists() else 0
    pathlib.Path(__file__ + ".arguments").write_text(" ".join(sys.argv))
    file.write_text(str(calls + 1))
    print("some text")
    time = {times}[calls]
    print(json.dumps(dict(median_us=time, min_us=0.5 * time + 1)))
"""

# Prints as Google Benchmark does, 30 us each time.
BENCH = """#!{python}
import json, pathlib, sys
pathlib.Path(__file__ + ".arguments").write_text(" ".join(sys.argv))
print(json.dumps(dict(benchmarks=[dict(real_time=0.03, time_unit="ms")]), indent=1))
"""


class CompareTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def program(self, name, times):
        file = Path(self.folder.name) / name
        file.write_text(PROGRAM.format(python=sys.executable, times=times))
        file.chmod(0o755)
        return str(file)

    def compare(self, *arguments):
        path = self.folder.name + os.pathsep + os.environ["PATH"]
        return subprocess.run([sys.executable, str(COMPARE), *arguments], capture_output=True, text=True,
                              env={**os.environ, "PATH": path})

    def test_ratios_are_of_one_round(self):
        pleat = self.program("pleat", [10, 20, 40])
        self.program("node", [20, 20, 160])
        done = self.compare("--pleat", pleat, "--peers", "onnxruntime", "--rounds", "3", "--json", "a/net.onnx",
                            "broken.onnx")
        self.assertEqual(done.returncode, 0, done.stderr)
        printed = json.loads(done.stdout)
        self.assertEqual(printed["peers"], {"onnxruntime": "1.2"})
        [result] = printed["results"]
        self.assertEqual(result, {"network": "net", "batch": 1, "threads": 1, "peer": "onnxruntime", "pleat_us": 20,
                                  "peer_us": 20, "ratio": 2, "ratio_min": 1, "ratio_max": 4, "pleat_best_us": 6,
                                  "peer_best_us": 11, "best_ratio": 11 / 6})
        [skipped] = printed["skipped"]
        self.assertEqual((skipped["network"], skipped["reason"]), ("broken", "broken.onnx is no network"))
        self.assertTrue(printed["cpu"])
        self.assertRegex(done.stderr, r"net +1 +1 +onnxruntime +20.0 +20.0 +2.00 +1.00..4.00 +1.83")

    def test_every_batch_and_number_of_threads(self):
        pleat = self.program("pleat", [10] * 4)
        self.program("node", [5] * 4)
        done = self.compare("--pleat", pleat, "--peers", "onnxruntime", "--rounds", "1", "--json", "--batch", "1,8",
                            "--threads", "1,2", "net.onnx")
        cases = [(each["batch"], each["threads"], each["ratio"]) for each in json.loads(done.stdout)["results"]]
        self.assertEqual(cases, [(1, 1, 0.5), (1, 2, 0.5), (8, 1, 0.5), (8, 2, 0.5)])

    def test_training_is_asked_of_who_trains(self):
        pleat = self.program("pleat", [10])
        self.program("node", [5])
        self.program("python3", [30])
        done = self.compare("--pleat", pleat, "--train", "--rounds", "1", "--json", "resnet20")
        printed = json.loads(done.stdout)
        self.assertEqual([(each["peer"], each["ratio"]) for each in printed["results"]], [("pytorch", 3)])
        for program in ("pleat", "python3"):
            self.assertIn("--train", (Path(self.folder.name) / (program + ".arguments")).read_text())

    def test_onednn_sums_layers(self):
        pleat, peer = self.program("pleat", [10, 10]), self.program("onednn_sum", [12, 15])
        for more, ratio in (["resnet50.onnx"], 1.2), (["--train", "resnet50"], 1.5):
            done = self.compare("--pleat", pleat, "--onednn-sum", peer, "--peers", "onednn", "--rounds", "1", "--json",
                                "--threads", "2", *more)
            self.assertEqual(done.returncode, 0, done.stderr)
            printed = json.loads(done.stdout)
            self.assertEqual([(each["peer"], each["ratio"]) for each in printed["results"]], [("onednn", ratio)])
            asked = Path(peer + ".arguments").read_text()
            self.assertIn("--threads 2", asked)
            self.assertEqual("--train" in asked, "--train" in more)

    def test_batch_norm_in_both_layouts(self):
        bench = Path(self.program("kernels_bench", []))
        bench.write_text(BENCH.format(python=sys.executable))
        self.program("python3", [90, 60])
        done = self.compare("--kernels-bench", str(bench), "--batch-norm", "32,256,56,56", "--threads", "2", "--rounds",
                            "1", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = [(each["network"], each["peer"], each["ratio"]) for each in json.loads(done.stdout)["results"]]
        self.assertEqual(found, [("batch_norm 32x256x56x56 nchw", "pytorch", 3),
                                 ("batch_norm 32x256x56x56 nhwc", "pytorch", 2)])
        asked = (Path(self.folder.name) / "python3.arguments").read_text()
        self.assertIn("--batch-norm 32,256,56,56 --layout nhwc", asked)
        self.assertIn("forward_backward_relu_channels_last/n:32/c:256/h:56/w:56/threads:2/", Path(
            self.folder.name, "kernels_bench.arguments").read_text())

    def test_what_is_wrong_is_said(self):
        for arguments, text in [([], "nothing to measure"), (["net", "--peers", "tvm"], "no peer tvm"),
                                (["--gemm", "1,2"], "needed M,N,K"), (["--batch-norm", "1,2"], "needed N,C,H,W"),
                                (["net", "--batch", "0"], "at least 1")]:
            done = self.compare(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn(text, done.stderr)


if __name__ == "__main__":
    unittest.main()
