import os
import signal
import threading

import pytest

from xfer.core.engine.signals import ASKING, StopFlag


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_sets_the_flag_and_handlers_come_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in ASKING]
    with StopFlag() as flag:
        assert not flag.requested
        send(number)
        assert flag.requested
        assert flag.signal is number
        send(signal.SIGTERM)
        assert flag.signal is number
    assert [signal.getsignal(each) for each in ASKING] == before


def test_a_second_interrupt_is_immediate() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopFlag() as flag:
        send(signal.SIGTERM)
        send(signal.SIGINT)
        assert flag.signal is signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def work() -> None:
        with StopFlag() as flag:
            seen.extend([signal.getsignal(signal.SIGTERM), flag.requested])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before, False]


def test_flags_nest() -> None:
    with StopFlag() as outer:
        with StopFlag() as inner:
            send(signal.SIGUSR1)
        send(signal.SIGTERM)
    assert (inner.signal, outer.signal) == (signal.SIGUSR1, signal.SIGTERM)
