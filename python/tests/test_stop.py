"""Ctrl-C within calls, from whatever thread, and fork() after them. The clocks are watchdogs."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import nmrsim

MANY = 20000


def sweep(echo):
    return nmrsim.simulate_sweep(echo, "flip_deg", [1 + 1e-3 * i for i in range(MANY)])


def batch_with_jacobian(echo):
    return nmrsim.simulate_batch_with_jacobian(echo, [[60.0, 120.0, 35.0]] * MANY)


def data_set(echo):
    return nmrsim.generate_dataset(echo, MANY, seed=1)


CALLS = [sweep, batch_with_jacobian, data_set]


@pytest.fixture
def long_echo():
    """Some 10 ms a curve: minutes for as many as these tests ask for."""
    settings = {"acquisition.points": 20, "accuracy.tolerance": 1e-9, "sequence.tau_us": 400.0}
    settings |= {"acquisition.start_us": 700.0, "acquisition.stop_us": 900.0}
    return nmrsim.Experiment("challenge-2021", settings)


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_ends_a_call_and_the_next_one_runs(call, long_echo):
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call(long_echo)
    finally:
        timer.cancel()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(nmrsim.simulate(long_echo)) == 20


def test_ctrl_c_ends_calls_of_other_threads(long_echo):
    raised = []

    def run():
        try:
            data_set(long_echo)
        except BaseException as error:  # noqa: BLE001
            raised.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(6000):  # where the handler runs
            time.sleep(0.01)
    for _ in range(6000):
        if raised:
            break
        time.sleep(0.01)
    thread.join()
    assert raised == [KeyboardInterrupt]


def test_a_handler_that_raises_nothing_lets_the_call_go_on(echo):
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        assert len(nmrsim.generate_dataset(echo, 3000, seed=1)) == 3000
        timer.join()
        assert seen == [1]
        # It is in place again after the call.
        os.kill(os.getpid(), signal.SIGINT)
        assert seen == [1, 1]
    finally:
        signal.signal(signal.SIGINT, before)


FORKED = """
import os, signal, nmrsim
echo = nmrsim.Experiment("challenge-2021")
rows = nmrsim.draw_parameters(echo, 64, seed=1)
expected = nmrsim.simulate_batch(echo, rows, threads=4)
child = os.fork()
if child == 0:
    signal.alarm(120)  # a watchdog: it would wait for ever
    same = (nmrsim.simulate_batch(echo, rows, threads=4) == expected).all()
    os._exit(0 if same else 3)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_simulates():
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=300).returncode == 0


LOADED = """
import numpy as np, signal, torch, nmrsim
signal.alarm(280)  # a watchdog: workers would wait for ever
echo = nmrsim.Experiment("challenge-2021")
rows = nmrsim.draw_parameters(echo, 8, seed=1)
expected = nmrsim.simulate_batch(echo, rows, threads=4)
try:
    import nmrsim.inverse
    model = nmrsim.inverse.load_model("challenge-2021")
    means = model.fit(expected, 1e-3, threads=4).mean
except ModuleNotFoundError:
    model = None

class Curves(torch.utils.data.Dataset):
    def __len__(self):
        return len(rows)
    def __getitem__(self, i):
        curve = nmrsim.simulate_batch(echo, rows[i : i + 1], threads=4)
        return curve[0], model.fit(curve, 1e-3, threads=4).mean[0] if model else 0.0

loader = torch.utils.data.DataLoader(
    Curves(), batch_size=2, num_workers=2, multiprocessing_context="fork")
batches = list(loader)
assert np.array_equal(np.concatenate([curves for curves, _ in batches]), expected)
if model:
    np.testing.assert_allclose(np.concatenate([mean for _, mean in batches]), means, rtol=1e-4)
"""


def test_workers_of_a_data_loader():
    pytest.importorskip("torch")
    assert subprocess.run([sys.executable, "-c", LOADED], timeout=300).returncode == 0
