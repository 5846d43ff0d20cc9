"""File and line of Caffe that print a log line: people's scripts select lines by `solver.cpp:218] Iteration`.

The lines of a solver that such scripts look for have the numbers of the release 1.0, the others those of the version
that the stored logs of the tests come from. What Caffe does not print keeps the file and line of ours that print it.
"""

from __future__ import annotations

import logging
import re

# Our file that logs the line ("" for any), what its text begins with, and Caffe's place. The first that fits counts.
_TABLE = (
    ("solver_files.py", r"Use CPU\.$", "caffe.cpp:197"),
    ("train.py", r"Resuming from ", "caffe.cpp:235"),
    ("train.py", r"Starting Optimization$", "caffe.cpp:239"),
    ("train.py", r"Optimization Done\.$", "caffe.cpp:250"),
    ("test.py", r"Use CPU\.$", "caffe.cpp:275"),
    ("test.py", r"Running for \d+ iterations\.$", "caffe.cpp:281"),
    ("test.py", r"Batch \d+, ", "caffe.cpp:304"),
    ("test.py", r"Loss: ", "caffe.cpp:309"),
    ("test.py", r"[^ ]+ = ", "caffe.cpp:321"),
    ("time.py", r"Use CPU\.$", "caffe.cpp:343"),
    ("time.py", r"Performing Forward$", "caffe.cpp:351"),
    ("time.py", r"Initial loss: ", "caffe.cpp:356"),
    ("time.py", r"Performing Backward$", "caffe.cpp:357"),
    ("time.py", r"\*\*\* Benchmark begins \*\*\*$", "caffe.cpp:365"),
    ("time.py", r"Testing for \d+ iterations\.$", "caffe.cpp:366"),
    ("time.py", r"Iteration: \d+ forward-backward time: ", "caffe.cpp:394"),
    ("time.py", r"Average time per layer: $", "caffe.cpp:397"),
    ("time.py", r".*\tforward: ", "caffe.cpp:400"),
    ("time.py", r".*\tbackward: ", "caffe.cpp:403"),
    ("time.py", r"Average Forward pass: ", "caffe.cpp:408"),
    ("time.py", r"Average Backward pass: ", "caffe.cpp:410"),
    ("time.py", r"Average Forward-Backward: ", "caffe.cpp:412"),
    ("time.py", r"Total Time: ", "caffe.cpp:414"),
    ("time.py", r"\*\*\* Benchmark ends \*\*\*$", "caffe.cpp:415"),
    ("upgrade.py", r"Encountered error\(s\) while upgrading prototxt", "upgrade_net_proto_text.cpp:39"),
    ("upgrade.py", r"Wrote upgraded NetParameter text proto to ", "upgrade_net_proto_text.cpp:49"),
    ("", r"Initializing solver from parameters: ", "solver.cpp:45"),
    ("", r"Solver scaffolding done\.$", "solver.cpp:57"),
    ("", r"Creating training net ", "solver.cpp:102"),
    ("", r"Creating test net \(#\d+\) specified by ", "solver.cpp:190"),
    ("", r"Solving ", "solver.cpp:289"),
    ("", r"Learning Rate Policy: ", "solver.cpp:290"),
    ("", r"Iteration \d+ \([^)]+ iter/s, [^)]+ iters\), loss = ", "solver.cpp:218"),
    ("", r"    Train net output #\d+: ", "solver.cpp:237"),
    ("", r"Iteration \d+, Testing net \(#\d+\)$", "solver.cpp:330"),
    ("", r"    Test net output #\d+: ", "solver.cpp:397"),
    ("", r"Iteration \d+, loss = ", "solver.cpp:310"),
    ("", r"Optimization Done\.$", "solver.cpp:332"),
    ("", r"Snapshotting to (binary proto|HDF5) file ", "solver.cpp:464"),
    ("", r"Iteration \d+, lr = ", "sgd_solver.cpp:105"),
    ("", r"Snapshotting solver state to (binary proto|HDF5) file ", "sgd_solver.cpp:284"),
    ("", r"SGDSolver: restoring history$", "sgd_solver.cpp:336"),
    ("", r"Initializing net from parameters: ", "net.cpp:53"),
    ("", r"The NetState .* specified by a rule in layer ", "net.cpp:296"),
    ("", r"Creating layer ", "layer_factory.hpp:77"),
    ("", r"Creating Layer ", "net.cpp:86"),
    ("build.py", r".+ -> .+ \(in-place\)$", "net.cpp:369"),
    ("build.py", r".+ -> ", "net.cpp:382"),
    ("build.py", r".+ <- ", "net.cpp:408"),
    ("", r"Setting up ", "net.cpp:124"),
    ("", r"Top shape: ", "net.cpp:131"),
    ("", r"    with loss weight ", "net.cpp:134"),
    ("", r"Memory required for data: ", "net.cpp:139"),
    ("", r".+ needs backward computation\.$", "net.cpp:200"),
    ("", r".+ does not need backward computation\.$", "net.cpp:202"),
    ("", r"This network produces output ", "net.cpp:244"),
    ("", r"Network initialization done\.$", "net.cpp:257"),
    ("", r"Ignoring source layer ", "net.cpp:744"),
    ("", r"Restarting data prefetching from start\.$", "data_layer.cpp:73"),
    ("", r"Opened lmdb ", "db_lmdb.cpp:35"),
    ("", r"Attempting to upgrade input file specified using deprecated V0LayerParameter: ", "upgrade_proto.cpp:28"),
    ("", r"Warning: had one or more problems upgrading V0NetParameter ", "upgrade_proto.cpp:33"),
    ("", r"Successfully upgraded file specified using deprecated V0LayerParameter$", "upgrade_proto.cpp:36"),
    ("", r"Note that future Caffe releases will not support V0NetParameter", "upgrade_proto.cpp:39"),
    ("", r"Attempting to upgrade .* deprecated transformation parameters: ", "upgrade_proto.cpp:46"),
    ("", r"Successfully upgraded .* deprecated data transformation parameters\.$", "upgrade_proto.cpp:49"),
    ("", r"Note that future Caffe releases will only support transform_param ", "upgrade_proto.cpp:51"),
    ("", r"Attempting to upgrade input file specified using deprecated V1LayerParameter: ", "upgrade_proto.cpp:55"),
    ("", r"Successfully upgraded file specified using deprecated V1LayerParameter$", "upgrade_proto.cpp:63"),
    ("", r"Attempting to upgrade .* deprecated input fields: ", "upgrade_proto.cpp:69"),
    ("", r"Successfully upgraded .* deprecated input fields\.$", "upgrade_proto.cpp:72"),
    ("", r"Note that future Caffe releases will only support input layers ", "upgrade_proto.cpp:74"),
    ("", r"Attempting to upgrade batch norm layers using deprecated params: ", "upgrade_proto.cpp:79"),
    ("", r"Successfully upgraded batch norm layers using deprecated params\.$", "upgrade_proto.cpp:82"),
    ("", r"Unknown parameter kernelsize for layer type ", "upgrade_proto.cpp:295"),
    ("", r"Unknown parameter stride for layer type ", "upgrade_proto.cpp:316"),
)
_PLACES = tuple((file, re.compile(pattern), place) for file, pattern, place in _TABLE)


def caffe_place(record: logging.LogRecord) -> str:
    """Return `solver.cpp:218` for a line that Caffe prints, else file and line of ours that logged it."""
    text = record.getMessage()
    for file, pattern, place in _PLACES:
        if file in ("", record.filename) and pattern.match(text):
            return place
    return f"{record.filename}:{record.lineno}"
