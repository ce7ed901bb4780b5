"""cyconv as a guest in a process: forks, CPUs, memory, the floating-point mode, Ctrl-C. Each test has a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

START = """
import os, signal, sys, threading, time, warnings
import numpy as np
import cyconv
from cyconv import functional as F, nn
from cyconv.graph import compile_function
from cyconv.graph import compile as compiling
compiling.SERIAL_MACS = -1  # small plans use their threads, too
nn.init.manual_seed(0)
net = nn.Sequential(nn.Conv2d(3, 20, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(320, 5), nn.Softmax(1))
x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
"""


def run(script: str, start: str = START, timeout: int = 60, **environment: str) -> str:
    """The output of a script; it fails when the script does, or hangs."""
    env = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | {"PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run([sys.executable, "-c", start + script], env=env, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# Forks


FORK = """
def child():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        same = all(np.array_equal(plan(x), want) for _ in range(3))
        same &= np.array_equal(cyconv.compile(net, x.shape, 2)(x), want) and np.array_equal(net(x), want)
    found = [w.category.__name__ for w in seen if "forked" in str(w.message)]
    return same, found

def in_fork(work):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


def test_fork_after_a_run_on_two_threads():
    """The child runs on one thread, says so once, and computes the same; so does its own child; the parent goes on as before."""
    run(
        FORK
        + """
plan = cyconv.compile(net, x.shape, 2)
assert plan.num_threads == 2
want = plan(x)
in_fork(lambda: child() == (True, ["RuntimeWarning"]))
def grandchild():
    in_fork(lambda: child() == (True, ["RuntimeWarning"]))
    return True
in_fork(grandchild)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    assert np.array_equal(plan(x), want)
"""
    )


def test_fork_before_any_team():
    """A process that has used one thread only may be forked without consequences."""
    run(
        FORK
        + """
want = cyconv.compile(net, x.shape, 1)(x)
plan = None
def work():
    global plan
    plan = cyconv.compile(net, x.shape, 2)
    return child() == (True, [])
in_fork(work)
"""
    )


def test_multiprocessing_fork():
    run(
        FORK
        + """
import multiprocessing
plan = cyconv.compile(net, x.shape, 2)
want = plan(x)
def work(k):
    return child()
with multiprocessing.get_context("fork").Pool(3) as pool:
    results = pool.map_async(work, range(6), chunksize=1).get(timeout=40)
assert all(same for same, _ in results)
"""
    )


# CPUs


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks on this system")
def test_affinity():
    run(
        """
one = {min(os.sched_getaffinity(0))}
os.sched_setaffinity(0, one)
assert cyconv.get_num_threads() == 1
assert cyconv.compile(net, x.shape).num_threads == 1
"""
    )
    several = len(os.sched_getaffinity(0))
    assert run("print(cyconv.get_num_threads())", OMP_NUM_THREADS="1").strip() == "1"
    if several > 1:
        assert int(run("print(cyconv.get_num_threads())", OMP_NUM_THREADS="2")) in (1, 2)


def test_openmp_settings_of_others_are_left_alone():
    """threadpoolctl sees our OpenMP runtime with the number of threads it had before a run."""
    run(
        """
from threadpoolctl import threadpool_info
before = [(i["filepath"], i["num_threads"]) for i in threadpool_info()]
cyconv.compile(net, x.shape, 3)(x)
assert [(i["filepath"], i["num_threads"]) for i in threadpool_info()] == before
"""
    )


def test_idle_threads_do_not_spin_for_long(monkeypatch):
    """A process that has run and then sleeps uses no CPU."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)  # conftest.py sets it for the other tests
    run(
        """
plan = cyconv.compile(net, x.shape, 2)
for _ in range(10):
    plan(x)
time.sleep(0.2)
before = time.process_time()
time.sleep(1)
assert time.process_time() - before < 0.1
"""
    )


# Memory


RSS = """
def rss():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def plateau(work, warm, calls, what):
    for k in range(warm):
        work(k)
    before = rss()
    for k in range(warm, warm + calls):
        work(k)
    grown = rss() - before
    assert grown < 2 << 20, (what, grown)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
def test_memory_does_not_grow():
    """10,000 calls of a plan on two threads, of a module and of functions, also when they fail."""
    run(
        RSS
        + """
plan = cyconv.compile(net, x.shape, 2)
out = np.empty((2, 5), np.float32)
w = np.ones((4, 3, 3, 3), np.float32)

def refused(call):
    try:
        call()
    except (TypeError, ValueError):
        return
    raise AssertionError("not refused")

def work(k):
    plan(x)
    plan(x, out=out)
    if k % 5 == 0:
        net(x)
        F.conv2d(x, w)
        F.softmax(x, 1)
        refused(lambda: plan(x[:1]))
        refused(lambda: plan(x, out=out.T))
        refused(lambda: F.conv2d(x, w[:, :2]))
        refused(lambda: F.conv2d(x, w.astype(float)))
        refused(lambda: plan(x, capture=["no such layer"]))
    if k % 50 == 0:
        plan(x, capture=["0", "*.linear"])

plateau(work, 500, 10_000, "calls")
"""
    )


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
def test_memory_does_not_grow_with_shapes_plans_or_threads():
    run(
        RSS
        + """
from cyconv.graph.eager import MAX_PLANS, plans
plateau(lambda k: F.relu(np.zeros(1 + k, np.float32)), 600, 1500, "shapes")
assert len(plans) <= MAX_PLANS
plateau(lambda k: net(np.zeros((1 + k % 12, 3, 8, 8), np.float32)), 60, 300, "shapes of a module")
plateau(lambda k: cyconv.compile(net, x.shape, 2)(x), 200, 300, "plans")

def failed(k):
    try:
        cyconv.compile(net, (1, 3, 9 + k % 9, 40))
    except ValueError:
        return
    raise AssertionError("not refused")

plateau(failed, 200, 400, "failed plans")
plan = cyconv.compile(net, x.shape, 2)

def from_a_thread(k):
    t = threading.Thread(target=lambda: plan(x))
    t.start()
    t.join()

plateau(from_a_thread, 200, 300, "threads")
""",
        timeout=120,
    )


# The floating-point mode


def test_denormals_are_the_callers_own_affair():
    """Import, compilation and calls leave the mode of every thread as it was; inside, denormals count as zero on every worker."""
    run(
        """
import numpy as np, threading
small = np.full(64, 1e-40, np.float32)
def denormals():
    return bool(np.all(small * np.float32(0.5) > 0) and np.all(small + small > small))
assert denormals()
import cyconv
from cyconv import functional as F, models, nn, signal, io
from cyconv._kernels import conv, cpu, elementwise, fold, movement, normalize, pool, program, step, targets
from cyconv.graph import compile as compiling
compiling.SERIAL_MACS = -1
assert denormals()
cpu.measure_peak(0.001)
assert denormals()

tiny = np.full((8, 40, 30, 30), 1e-40, np.float32)
huge = np.zeros((40, 40, 1, 1), np.float32)
huge[range(40), range(40)] = 1e30
for threads in (1, 2, 4):
    net = nn.Sequential(nn.Conv2d(40, 40, 1, bias=False))
    net[0].weight = huge
    plan = cyconv.compile(net, tiny.shape, threads)
    assert plan.num_threads == threads
    assert np.all(plan(tiny) == 0)  # 1e-10 with denormals
    assert np.all(plan(tiny * 1e10) != 0)
    cyconv.set_num_threads(threads)
    assert np.all(F.mul(tiny, np.float32(1e30)) == 0)
    assert np.all(F.mul(np.full((8, 4000), 1e-30, np.float32), 1e-15) == 0)  # a result
    assert denormals()
    seen = []
    def other():
        plan(tiny)
        seen.append(denormals())
    t = threading.Thread(target=other); t.start(); t.join()
    assert seen == [True]
try:
    plan(tiny[:1])
except ValueError:
    assert denormals()
""",
        start="",
    )


# Signals


LONG = """
signal.signal(signal.SIGINT, signal.default_int_handler)  # a child of a background job would ignore it
def long(x):
    for _ in range(4000):
        x = F.gelu(x)
    return x
big = np.full((64, 200, 200), 1.0, np.float32)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c(threads):
    """KeyboardInterrupt comes out of a plan that would run for many seconds, soon, and the plan can be used again."""
    run(
        LONG
        + f"""
plan = compile_function(long, [big.shape], ["x"], {threads})
sent = []
def send():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.3, send).start()
try:
    plan(big)
except KeyboardInterrupt:
    late = time.monotonic() - sent[0]
    assert late < 1, late
else:
    raise AssertionError("not interrupted")
short = compile_function(lambda x: F.gelu(F.gelu(x)), [big.shape], ["x"], {threads})
assert np.array_equal(short(big), F.gelu(F.gelu(big)))
threading.Timer(0.3, send).start()
try:
    plan(big)
    raise AssertionError("not interrupted")
except KeyboardInterrupt:
    pass
""",
        timeout=50,
    )


def test_a_handler_runs_in_the_middle_and_sees_its_own_floating_point_mode():
    run(
        LONG
        + """
plan = compile_function(long, [big[:2].shape], ["x"], 2)
want = plan(big[:2])
small = np.full(64, 1e-40, np.float32)
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append((time.monotonic(), bool(np.all(small * np.float32(0.5) > 0)))))
signal.setitimer(signal.ITIMER_REAL, 0.07)
begin = time.monotonic()
y = plan(big[:2])
end = time.monotonic()
assert np.array_equal(y, want)
assert seen and seen[0][1]
assert begin < seen[0][0] <= end + 0.01
"""
    )


def test_other_threads_are_not_interrupted():
    """A signal belongs to the main thread: a plan on another one runs to its end."""
    run(
        LONG
        + """
plan = compile_function(lambda x: F.gelu(F.gelu(x)), [big.shape], ["x"], 2)
want = plan(big)
results = []
t = threading.Thread(target=lambda: results.extend(plan(big) for _ in range(10)))
t.start()
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
    raise AssertionError("not interrupted")
except KeyboardInterrupt:
    pass
t.join()
assert len(results) == 10 and all(np.array_equal(y, want) for y in results)
"""
    )
