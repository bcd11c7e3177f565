"""What must hold of every deploy, whatever befell it: each as a check that tells what it found.

The numbers are those of docs/reliability.md. Those that have no place here: I7 is about two deploys
(`rivals.py`), I10 about the run that follows (`matrix.py`), I14 about pruning, I16 and I17 about
input, I19 about signals (`schedules.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from anyio import current_time

from hover_async.deploy.lock import LOCK_KEY
from hover_async.deploy.stack_states import DONE
from hover_async.errors import (
    ActivationMixed,
    ActivationRestored,
    AliasesElsewhere,
    HoverError,
    WorkersNotStarted,
)
from hover_async.events import Warned
from hover_async.testing import Sent
from hover_async.values import LATEST, FunctionName, Role
from tests.process.trial import LONGEST_S, Trial

Found = Iterator[str]

FLIP = "lambda.UpdateAlias"
UNPACED = {"lambda.GetFunction", "lambda.Invoke"}
PER_SECOND = 15
CANARY = "fake-password"
MOST_SENT = 1500
"""Of a deploy of a handful of functions, every retry included."""


def watch(trial: Trial) -> Callable[[Sent], None]:
    """Sees each request before it has its effect: the order that is promised, as it happens."""

    def look(sent: Sent) -> None:
        if sent.name == FLIP and sent.asked["FunctionVersion"] != trial.before.get(
            FunctionName(sent.subject)
        ):
            trial.broken += [f"I1: {found} when {sent} left" for found in _not_yet(trial, sent)]

    return look


def _not_yet(trial: Trial, sent: Sent) -> Found:
    """What is missing at the moment of a flip; an alias that goes back needs nothing."""
    if trial.was_interrupted:  # it may end another build's activation, which has its own proof
        return
    cloud, order = trial.cloud, trial.order
    for asset in order.assets:
        stored = cloud.assets.objects.get(asset.key(order.build.build_id))
        if stored is None or stored.body != asset.file.read_bytes():
            yield f"asset {asset.path} did not stand"
    stack = cloud.stacks.stacks[order.manifest.stack_name]
    if stack.status() not in DONE:
        yield f"the stack was {stack.status()}"
    function = cloud.lambdas.functions[order.function(Role.HTTP)]
    for name in order.functions:
        function = cloud.lambdas.functions[name]
        newest = max(function.versions, key=int, default=None)
        if newest is None or current_time() < function.versions[newest].active_at_s:
            yield f"{name} had no Active version"
    wanted = [list(command.argv) for command in order.manifest.deploy_commands]
    ran = trial.commands()
    if ran[: len(wanted)] != wanted:
        yield f"only {ran} had run"
    if sent.asked.get("RoutingConfig") != {"AdditionalVersionWeights": {}}:
        yield "routing weights were not cleared"


def nothing_moved_before(trial: Trial) -> Found:
    """I2: a run that fails before activation sends no UpdateAlias."""
    may_move = (ActivationRestored, ActivationMixed, WorkersNotStarted, AliasesElsewhere)
    if trial.exit_code in {0, None} and not trial.is_cancelled:
        return
    if isinstance(trial.error, may_move) or trial.was_interrupted:
        return
    flips = [sent for sent in trial.process.sent if sent.name == FLIP]
    if flips:
        yield f"{type(trial.error).__name__}, and {len(flips)} UpdateAlias were sent"


def a_success_is_whole(trial: Trial) -> Found:
    """I3: exit 0 means that every alias is at this run's version, of this build's image."""
    if trial.deployment is None:
        return
    versions = trial.deployment.artifacts.versions.by_function
    image = trial.deployment.artifacts.image.uri
    if set(versions) != set(trial.order.functions):
        yield f"published {sorted(versions)}"
    pushed = trial.cloud.registry.images.get(trial.order.build.build_id)
    if pushed is None or pushed.digest != trial.deployment.artifacts.image.digest:
        yield "the registry does not hold the image"
    for name, version in versions.items():
        if name in trial.touched:
            continue
        function = trial.cloud.lambdas.functions[name]
        if trial.after.get(name) != version:
            yield f"{name} is at {trial.after.get(name)}, not {version}"
        if function.versions[version].image_uri != image:
            yield f"{name}:{version} holds {function.versions[version].image_uri}"


def all_or_nothing(trial: Trial) -> Found:
    """I4: all old or all new, or else exit code 5 with the truth about each."""
    if trial.is_killed or trial.was_interrupted or trial.has_rivals:
        return
    live, before = trial.after, trial.before
    names = [name for name in trial.order.functions if name in before and name not in trial.touched]
    moved = {name for name in names if live[name] != before[name]}
    if isinstance(trial.error, ActivationMixed):
        told = trial.error.live
        for name in [name for name in names if name in told]:
            if told[name] not in {None, live[name]}:
                yield f"{name} is at {live[name]}, told was {told[name]}"
        return
    if moved and len(moved) != len(names) and not trial.touched:
        yield f"mixed: {sorted(moved)} moved, of {sorted(names)}"
    if moved and trial.exit_code not in {0, 1}:
        yield f"exit code {trial.exit_code}, and {sorted(moved)} moved"
    if moved and trial.exit_code == 1 and not isinstance(trial.error, WorkersNotStarted):
        yield f"{type(trial.error).__name__}, and {sorted(moved)} moved"


def only_forward(trial: Trial) -> Found:
    """I5: no alias goes to `$LATEST`, and none back but to where this run found it."""
    for sent in trial.process.sent:
        if sent.name != FLIP or sent.subject in trial.touched:
            continue
        to = str(sent.asked["FunctionVersion"])
        before = str(trial.before.get(FunctionName(sent.subject), LATEST))
        if to == before:
            continue
        if to == LATEST or (before != LATEST and int(to) < int(before)):
            yield f"{sent.subject} was sent from {before} to {to}"


def each_command_once(trial: Trial) -> Found:
    """I8: a command runs at most once in a run."""
    ran = Counter(tuple(argv) for argv in trial.commands())
    wanted = Counter(command.argv for command in trial.order.manifest.deploy_commands)
    for argv, times in ran.items():
        if times > wanted[argv]:
            yield f"{' '.join(argv)} ran {times} times"


def within_rates(trial: Trial) -> Found:
    """I12: Lambda's bucket of 15 requests, filled by 15 a second, is never empty; retries end."""
    left, last_s = float(PER_SECOND), 0.0
    for sent in trial.process.sent:
        if not sent.name.startswith("lambda.") or sent.name in UNPACED:
            continue
        left = min(PER_SECOND, left + PER_SECOND * (sent.at_s - last_s)) - 1
        last_s = sent.at_s
        if left < -1e-6:
            yield f"more than {PER_SECOND} requests a second at {sent.at_s:.2f} s"
            break
    most = MOST_SENT + 100 * len(trial.order.functions)
    if len(trial.process.sent) > most:
        yield f"{len(trial.process.sent)} requests"


def no_secret(trial: Trial) -> Found:
    """I15: the registry's password is in no event, no error and no record."""
    told = [repr(event) for event in trial.report.events]
    told += [f"{trial.error!r} {getattr(trial.error, '__notes__', '')}"]
    told += [found.body.decode() for found in trial.cloud.documents.documents.values()]
    if any(CANARY in each for each in told):
        yield "the registry's password was told"


def nothing_outlives(trial: Trial) -> Found:
    """I18: it ended, by itself, and neither the lock nor a multipart upload was left behind."""
    if trial.seconds >= LONGEST_S or isinstance(trial.error, TimeoutError):
        yield "a wait had no end"
    if trial.is_killed:
        return
    warned = " ".join(event.message for event in trial.report.of(Warned))
    lock = trial.cloud.documents.documents.get(LOCK_KEY)
    is_ours = lock is not None and trial.run_id in lock.body.decode()
    befell_lock = any(sent.subject in {LOCK_KEY, "hover"} for _, sent in trial.process.met)
    if is_ours and "not given back" not in warned and not befell_lock:
        yield "the lock was left"
    if trial.cloud.assets.open_uploads and not trial.process.met and not trial.has_rivals:
        yield "a multipart upload was left"


def errors_are_typed(trial: Trial) -> Found:
    """Whatever fails is one of errors.py's, with a hint or a cause that a user understands."""
    if trial.error and not trial.is_killed and not isinstance(trial.error, HoverError):
        yield f"{trial.error!r}"


def warmed_within(trial: Trial) -> Found:
    """I20: no more containers than the manifest asks for were made."""
    http = trial.order.function(Role.HTTP)
    made = Counter(container.version for container in trial.cloud.lambdas.containers.get(http, ()))
    for version, count in made.items():
        if count > max(trial.order.manifest.http.warm, 1):
            yield f"{count} containers of {http}:{version}"


CHECKS: Mapping[str, Callable[[Trial], Found]] = {
    "I2": nothing_moved_before,
    "I3": a_success_is_whole,
    "I4": all_or_nothing,
    "I5": only_forward,
    "I8": each_command_once,
    "I12": within_rates,
    "I15": no_secret,
    "I18": nothing_outlives,
    "I20": warmed_within,
    "errors": errors_are_typed,
}


def violations(trial: Trial) -> list[str]:
    """Everything that does not hold of a trial that has ended; I1 was looked at on the way."""
    found = [f"{name}: {what}" for name, check in CHECKS.items() for what in check(trial)]
    return trial.broken + found
