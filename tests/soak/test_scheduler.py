"""Simulated threads: one runs at a time, time passes only when nobody can run, and a killed process does nothing more."""

from collections.abc import Callable
from random import Random

import pytest

from tests.soak.primitives import Event, Executor, Lock, Thread, sleep
from tests.soak.scheduler import HangError, Killed, Scheduler, SimProcess, present, use


def run(main: Callable[[], None], seed: int = 1) -> tuple[Scheduler, SimProcess]:
    scheduler = Scheduler(Random(seed))
    use(scheduler)
    try:
        return scheduler, scheduler.run(main)
    finally:
        use(None)


def test_waiting_takes_no_real_time() -> None:
    scheduler, process = run(lambda: sleep(3600))
    assert scheduler.now == 3600
    assert process.died_of is None


def test_who_goes_on_is_drawn_from_the_seed() -> None:
    def order(seed: int) -> list[int]:
        seen: list[int] = []

        def main() -> None:
            threads = [Thread(target=seen.append, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        run(main, seed)
        return seen

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(10)}) > 1


def test_a_lock_is_held_by_one_thread_at_a_time() -> None:
    lock, inside, most = Lock(), [0], [0]

    def work() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            sleep(1)
            inside[0] -= 1

    def main() -> None:
        with Executor(5) as pool:
            for _ in range(5):
                pool.submit(work)

    scheduler, _ = run(main)
    assert (most, scheduler.now) == ([1], 5)


def test_a_wait_ends_with_its_time_out() -> None:
    found: list[bool] = []
    run(lambda: found.append(Event().wait(5)))
    assert found == [False]


def test_an_error_of_a_future_is_raised_where_its_result_is_asked_for() -> None:
    def main() -> None:
        with Executor(1) as pool:
            future = pool.submit(int, "no number")
            with pytest.raises(ValueError, match="no number"):
                future.result()

    assert run(main)[1].died_of is None


def test_nobody_can_ever_go_on() -> None:
    def main() -> None:
        Event().wait()

    _, process = run(main)
    assert isinstance(process.died_of, HangError)


def test_a_run_without_end_is_ended() -> None:
    def main() -> None:
        while True:
            sleep(60)

    assert isinstance(run(main)[1].died_of, HangError)


def test_a_killed_process_does_nothing_more() -> None:
    done: list[str] = []

    def other() -> None:
        try:
            sleep(10)
            done.append("went on")
        finally:
            with pytest.raises(Killed):
                sleep(1)

    def main() -> None:
        Thread(target=other).start()
        sleep(1)
        current = present().current
        assert current is not None
        current.process.dead = True
        raise Killed

    scheduler, process = run(main)
    assert (done, process.died_of, scheduler.now) == ([], None, 1)


def test_what_nobody_catches_is_told() -> None:
    def main() -> None:
        raise ValueError("a bug")

    assert repr(run(main)[1].died_of) == "ValueError('a bug')"
