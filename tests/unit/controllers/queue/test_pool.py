"""The workers: a failure is retried later, a bug stops no worker, and shutdown waits for running passes."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from servicetokens.api.names import KIND_ACCOUNT, KIND_ROLE
from servicetokens.controllers.queue.pool import WORKERS, WorkerPool
from servicetokens.controllers.queue.work_queue import WorkQueue
from servicetokens.kube.errors import (
    ApiUnavailable,
    Conflict,
    Forbidden,
    NotConfigured,
    Unauthorized,
    Unprocessable,
)
from servicetokens.kube.object_key import Key
from servicetokens.runtime.readiness import Readiness
from servicetokens.runtime.supervision import Supervisor

pytestmark = pytest.mark.skips_time

ONE = Key("ServiceToken", "team-a", "one")
TWO = Key("ServiceToken", "team-a", "two")


class Reconciler:
    """Does what the test says, and notes what it was requested."""

    def __init__(self) -> None:
        self.seen: list[Key] = []
        self.failures: list[Exception] = []
        self.again = 0

    async def __call__(self, key: Key) -> bool:
        """Fail, or ask for another look, as often as set."""
        self.seen.append(key)
        if self.failures:
            raise self.failures.pop(0)
        if self.again:
            self.again -= 1
            return True
        return False


class Work:
    """A pool with its surroundings."""

    def __init__(self) -> None:
        self.queue = WorkQueue()
        self.readiness = Readiness()
        self.reconciler = Reconciler()
        self.supervisor = Supervisor(self.readiness)
        self.pool = WorkerPool(self.queue, self.reconciler, self.readiness, self.supervisor)

    def start(self) -> None:
        """Start the workers."""
        self.running = asyncio.create_task(self.pool.run())

    async def end(self) -> None:
        """End as the operator does."""
        self.supervisor.stop()
        await self.pool.drain()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* holds."""
        for _ in range(2000):
            if condition():
                return
            await asyncio.sleep(0.01)
        message = "it did not happen"
        raise AssertionError(message)


@pytest.fixture
def work() -> Work:
    """Nothing to do yet."""
    return Work()


async def test_every_key_is_reconciled(work: Work) -> None:
    """One after the other, or at the same time."""
    work.start()
    work.queue.add(ONE)
    work.queue.add(TWO)
    await work.until(lambda: len(work.reconciler.seen) == 2)
    await work.end()


async def test_a_failure_is_retried(work: Work) -> None:
    """Whatever the API server says."""
    work.reconciler.failures = [Conflict("changed"), ApiUnavailable("away"), RuntimeError("a defect")]
    work.start()
    work.queue.add(ONE)
    await work.until(lambda: len(work.reconciler.seen) == 4)
    assert work.readiness.missing == []
    await work.end()


async def test_an_immediate_second_pass_is_possible(work: Work) -> None:
    """What asks for it comes back without a delay."""
    work.reconciler.again = 1
    work.start()
    work.queue.add(ONE)
    await work.until(lambda: len(work.reconciler.seen) == 2)
    await work.end()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (Forbidden('User "x" cannot update resource "servicetokens/status"'), "a permission is missing"),
        (Unauthorized("Unauthorized"), "does not accept our credentials"),
        (ApiUnavailable("no answer"), "no answer"),
        (NotConfigured("the kubeconfig is gone"), "the kubeconfig is gone"),
    ],
)
async def test_what_concerns_every_object_is_shown(work: Work, failure: Exception, words: str) -> None:
    """It is in `/readyz` until something succeeds."""
    work.reconciler.failures = [failure] * 3
    work.start()
    work.queue.add(ONE)
    await work.until(lambda: any(words in sentence for sentence in work.readiness.missing))
    await work.until(lambda: not work.readiness.missing)
    await work.end()


async def test_a_webhook_that_fails_for_one_object_leaves_the_operator_ready(work: Work) -> None:
    """It may be for one namespace only: the log names the object, and `/readyz` is not affected."""
    message = 'Internal error occurred: failed calling webhook "tokens.team-a": connection refused'
    work.reconciler.failures = [ApiUnavailable(message, status=500)]
    with capture_logs() as logs:
        work.start()
        work.queue.add(ONE)
        await work.until(lambda: len(work.reconciler.seen) == 1 and bool(logs))
        assert work.readiness.missing == []
        await work.end()
    assert [(line["log_level"], line["name"], line["error"]) for line in logs if "error" in line] == [
        ("warning", "one", message)
    ]


async def test_the_end_waits_for_what_is_under_way_and_begins_nothing_new() -> None:
    """Between status and Secret there is no safe place to stop."""
    queue, finished = WorkQueue(), []
    gate = asyncio.Event()

    async def slow(key: Key) -> bool:
        """Finish when the gate opens."""
        await gate.wait()
        finished.append(key)
        return False

    supervisor = Supervisor(Readiness())
    pool = WorkerPool(queue, slow, Readiness(), supervisor)
    running = asyncio.create_task(pool.run())
    queue.add(ONE)
    await asyncio.sleep(0.05)
    supervisor.stop()
    ending = asyncio.create_task(pool.drain())
    await asyncio.sleep(0.05)
    queue.add(TWO)
    gate.set()
    await ending
    await running
    assert finished == [ONE]


async def test_a_worker_that_is_ended_is_replaced_and_gives_its_key_back(work: Work) -> None:
    """`/readyz` says so meanwhile; the object that it was at is reconciled by another one."""
    entered = asyncio.Event()
    hangs = [True]

    async def hang_once(key: Key) -> bool:
        """Hang at the first call."""
        entered.set()
        if hangs.pop() if hangs else False:
            await asyncio.Event().wait()
        work.reconciler.seen.append(key)
        return False

    work.pool = WorkerPool(work.queue, hang_once, work.readiness, work.supervisor)
    work.start()
    work.queue.add(ONE)
    await entered.wait()
    workers = [task for task in asyncio.all_tasks() if task.get_name().startswith("worker ")]
    assert len(workers) == WORKERS
    for worker in workers:
        worker.cancel()
    await work.until(lambda: len(work.readiness.missing) == WORKERS)
    assert "the part 'worker 0' ended" in "".join(work.readiness.missing)
    await work.until(lambda: work.reconciler.seen == [ONE])
    await work.end()


async def test_a_pool_that_never_started_ends_immediately() -> None:
    """As when the CRDs never came."""
    await Work().end()


async def test_accounts_without_a_status_make_nothing_unready(work: Work) -> None:
    """Only people, and commands that wait, look at it; a permission that tokens need is different."""
    account = Key(KIND_ACCOUNT, "team-a", "ci")
    refusal = 'is forbidden: User "x" cannot update resource "serviceaccounts/status"'
    work.reconciler.failures = [Forbidden(f'serviceaccounts.servicetokens.dev "ci" {refusal}')]
    work.start()
    work.queue.add(account)
    await work.until(lambda: len(work.reconciler.seen) == 1)
    work.queue.add(ONE)
    await work.until(lambda: ONE in work.reconciler.seen)
    await asyncio.sleep(30)
    assert work.readiness.missing == []
    assert work.readiness.degraded == [
        "the permission to update serviceaccounts/status is missing: ServiceAccounts have no conditions"
    ]
    assert work.reconciler.seen == [account, ONE]
    work.queue.add(account)
    await work.until(lambda: not work.readiness.degraded)
    await work.end()


@pytest.mark.parametrize("kind", [Forbidden, Unprocessable])
async def test_a_status_that_is_rejected_is_reported_once_and_retried_within_seconds(
    work: Work, kind: type[Exception]
) -> None:
    """By a policy, or by an older schema: `/readyz` names the first object until all of them were written."""
    refusal = "denied by the policy 'no status'"
    work.reconciler.failures = [kind(refusal) for _ in range(60)]
    with capture_logs() as logs:
        work.start()
        work.queue.add(ONE)
        work.queue.add(TWO)
        await work.until(lambda: len(work.reconciler.seen) >= 2)
        await asyncio.sleep(70)
        assert work.readiness.missing == []
        (told,) = work.readiness.degraded
        assert told.startswith(f"the API server rejects a write for ServiceToken team-a/one: {refusal}.")
        assert told.endswith("Writes for other objects are rejected as well.")
        # At 0, 1, 3, 7, 15 s and so on, each of both.
        asked = len(work.reconciler.seen)
        assert asked <= 26
        work.reconciler.failures = []
        await asyncio.sleep(10)
        assert len(work.reconciler.seen) == asked + 2
        assert work.readiness.degraded == []
    warned = [line for line in logs if line["log_level"] == "warning" and line["event"] == "retrying"]
    assert sorted(line["name"] for line in warned) == ["one", "two"]
    await work.end()


async def test_a_webhook_that_hangs_for_a_status_leaves_workers_to_others(work: Work) -> None:
    """Many attempts that take ten seconds each come back more rarely: together they occupy a quarter of the workers."""
    asked: list[float] = []
    time = asyncio.get_running_loop().time

    async def hang(key: Key) -> bool:
        """Hang for all tokens but one."""
        if key == ONE:
            work.reconciler.seen.append(key)
            return False
        asked.append(time())
        await asyncio.sleep(10)
        message = 'Internal error occurred: failed calling webhook "status.team-b": no answer'
        raise ApiUnavailable(message, status=500)

    work.pool = WorkerPool(work.queue, hang, work.readiness, work.supervisor)
    work.start()
    for number in range(64):
        work.queue.add(Key("ServiceToken", "team-b", f"token-{number}"))
    await asyncio.sleep(1000)
    later = time()
    await asyncio.sleep(1000)
    occupied = 10 * len([at for at in asked if at >= later]) / 1000
    assert 1 < occupied <= WORKERS / 3
    work.queue.add(ONE)
    await work.until(lambda: work.reconciler.seen == [ONE])
    await work.end()


async def test_roles_without_a_status_make_nothing_unready_and_cost_one_request_each(work: Work) -> None:
    """The permission for their status may be missing on purpose: it is said once, and asked for rarely."""
    roles = [Key(KIND_ROLE, "", f"role-{number}") for number in range(5)]
    work.reconciler.failures = [
        Forbidden(
            f'serviceroles "{role.name}" is forbidden: User "x" cannot update resource "serviceroles/status"'
        )
        for role in roles
    ]
    with capture_logs() as logs:
        work.start()
        for role in roles:
            work.queue.add(role)
        await work.until(lambda: len(work.reconciler.seen) == len(roles))
        work.queue.add(ONE)
        await work.until(lambda: ONE in work.reconciler.seen)
        await asyncio.sleep(0.5)
        assert work.readiness.missing == []
        assert ["serviceroles/status" in sentence for sentence in work.readiness.degraded] == [True]
    assert len(work.reconciler.seen) == len(roles) + 1
    assert len([one for one in logs if one["log_level"] != "debug"]) == 1
    for role in roles:
        work.queue.add(role)
    await work.until(lambda: not work.readiness.degraded)
    await work.end()
