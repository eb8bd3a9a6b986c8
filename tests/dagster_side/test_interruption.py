"""Ctrl-C while a command runs a job in its own process."""

import os
import signal

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id
from dagster._utils.interrupts import capture_interrupts

from sensors.interruption import interruptible


@dg.op(config_schema={"number": int})
def work(context: dg.OpExecutionContext) -> None:
    if context.op_config["number"]:
        os.kill(os.getpid(), context.op_config["number"])


@dg.job
def working() -> None:
    work()


def config(number: int) -> dict[str, object]:
    return {"ops": {"work": {"config": {"number": int(number)}}}}


def run(instance: dg.DagsterInstance, run_id: str, number: int) -> dg.ExecuteInProcessResult:
    """Runs the job as commands do; its step sends the signal."""
    with interruptible(instance, run_id):
        return working.execute_in_process(
            run_config=config(number), instance=instance, run_id=run_id, raise_on_error=False
        )


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_step_ends_more_than_the_step(instance: dg.DagsterInstance, number: int):
    run_id = make_new_run_id()
    with pytest.raises(KeyboardInterrupt):
        run(instance, run_id, number)
    [made] = instance.get_runs()
    assert (made.run_id, made.is_finished) == (run_id, True)


def test_a_signal_that_dagster_forgets_is_not_forgotten(instance: dg.DagsterInstance):
    with (
        pytest.raises(KeyboardInterrupt),
        interruptible(instance, make_new_run_id()),
        capture_interrupts(),
    ):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_run_that_was_interrupted_before_its_start_is_no_run_at_work(
    instance: dg.DagsterInstance,
):
    run_id = make_new_run_id()
    instance.create_run_for_job(working, run_id=run_id, run_config=config(0))
    with pytest.raises(KeyboardInterrupt), interruptible(instance, run_id):
        os.kill(os.getpid(), signal.SIGINT)
    made = instance.get_run_by_id(run_id)
    assert made is not None
    assert made.status == dg.DagsterRunStatus.CANCELED


def test_without_a_signal_nothing_is_different(instance: dg.DagsterInstance):
    before = signal.getsignal(signal.SIGINT)
    assert run(instance, make_new_run_id(), 0).success
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1
