"""The tests' own test: each guard is switched off in turn, and at least one test must fail.

    python -m tests.process.guards              every guard; prints the table
    python -m tests.process.guards --write      and writes it into docs/reliability.md
    python -m tests.process.guards --only pace  only the guards whose name contains this

A guard is a place in the code that matches exactly once, and what it becomes without the guard. The
change is made in a copy of the package; the tests that know the guard run there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import ROOT, write_section

LONGEST_S = 900
COPIED = ("hover_async", "tests", "benchmarks", "pyproject.toml")
OF_THE_ANCHORS = "test_every_guard_is_where_it_is_said_to_be"
TESTS_FAILED = 1
"""pytest's exit status; anything else would mean that the tests did not run."""


@dataclass(frozen=True)
class Guard:
    """Where it is, its code, what stands there without it, and the tests that must notice."""

    name: str
    module: str
    code: str
    without: str
    tests: str
    only: str = ""

    def matches(self) -> int:
        return (ROOT / "hover_async" / self.module).read_text().count(self.code)


FAILURES = "tests/process/test_failures.py"
LOCKS = "tests/process/test_lock.py"
FUNCTIONS = "tests/unit/test_aws_functions.py"
STORAGE = "tests/unit/test_aws_storage.py"
DEPLOY = "tests/process/test_deploy.py"
ASSETS = "tests/unit/test_assets.py"
LEDGER = "tests/unit/test_ledger.py"
PROOFS = "tests/process/test_proofs.py"
PRUNE = "tests/process/test_prune.py"

GUARDS: Sequence[Guard] = (
    Guard(
        "one deploy at a time",
        "deploy/lock.py",
        "            raise held_by(holder)\n",
        "            return True\n",
        FAILURES,
        "keeps_others_out",
    ),
    Guard(
        "a lock is watched for a whole lease",
        "deploy/lock.py",
        "            ends = began + self._lease_s\n",
        "            ends = began\n",
        f"{FAILURES} {LOCKS}",
        "whole_lease or taken_over or clock",
    ),
    Guard(
        "a lock is taken over only as it was watched",
        "deploy/lock.py",
        "replace(LOCK_KEY, self._body(), found.etag)\n            return True\n",
        "replace(\n                LOCK_KEY, self._body(), "
        "(await self._documents.read(LOCK_KEY) or found).etag\n            )\n"
        "            return True\n",
        LOCKS,
        "one_wins or last_moment",
    ),
    Guard(
        "the lock is confirmed before the flip",
        "deploy/process.py",
        "            await lock.confirm()\n",
        "",
        FAILURES,
        "lock_lost_during",
    ),
    Guard(
        "a lost lock ends the deploy",
        "deploy/lock.py",
        "                if not self._past_return:\n                    raise lost() from error\n",
        "",
        f"{FAILURES} {LOCKS}",
        "lost_lock or taken_away",
    ),
    Guard(
        "the lock is created only if absent",
        "aws/storage.py",
        'return await self._write(key, body, IfNoneMatch="*")',
        "return await self._write(key, body)",
        STORAGE,
        "created or writes",
    ),
    Guard(
        "a record is replaced only over its etag",
        "aws/storage.py",
        "return await self._write(key, body, IfMatch=etag)",
        "return await self._write(key, body)",
        STORAGE,
        "replacing or writes",
    ),
    Guard(
        "an alias moves only from the revision that was read",
        "aws/functions.py",
        "                    RevisionId=alias.revision,\n",
        "",
        f"{FUNCTIONS} {PROOFS}",
        "move or interleavings",
    ),
    Guard(
        "routing weights are cleared",
        "aws/functions.py",
        '                    RoutingConfig={"AdditionalVersionWeights": {}},\n',
        "",
        FUNCTIONS,
        "empty_routing",
    ),
    Guard(
        "routing weights alone are a reason to move",
        "deploy/activate.py",
        "return self.before.version != self.to or self.before.has_routing",
        "return self.before.version != self.to",
        f"{FAILURES} {DEPLOY} tests/process/test_recovery.py {PROOFS}",
    ),
    Guard(
        "the version holds the image that was waited for",
        "deploy/publish.py",
        "if active.code_sha256 != latest.code_sha256:",
        "if active is None:",
        f"{FAILURES} {PROOFS}",
        "rival or holds",
    ),
    Guard(
        "the function holds this build's image",
        "deploy/publish.py",
        "if latest.image_uri != image_uri:",
        "if latest is None:",
        FAILURES,
        "rival",
    ),
    Guard(
        "publishing is bound to the code's hash",
        "aws/functions.py",
        "CodeSha256=code_sha256, Description=description",
        "Description=description",
        f"{FUNCTIONS} {PROOFS}",
        "publish",
    ),
    Guard(
        "assets are awaited before the flip",
        "deploy/artifacts.py",
        "        uploading = artifacts.start_soon(upload)\n"
        "        standing_up = artifacts.start_soon(stand_up)\n"
        "    return Artifacts(uploading.return_value, ",
        "        assets_stand.set()\n"
        "        standing_up = artifacts.start_soon(stand_up)\n"
        "    return Artifacts(UploadedAssets(), ",
        DEPLOY,
        "assets",
    ),
    Guard(
        "assets are looked at again under the lock",
        "deploy/artifacts.py",
        "        if await was_released(cloud.documents, build_id) and not await",
        "        if not uploaded and not await",
        PRUNE,
        "rival_prunes",
    ),
    Guard(
        "the image is looked at again under the lock",
        "deploy/artifacts.py",
        "            image = await again(pushing.return_value, ground.repository)\n",
        "            image = pushing.return_value\n",
        PRUNE,
        "rival_prunes",
    ),
    Guard(
        "the deployed template's image is kept",
        "deploy/prune.py",
        "(due.release.digest and due.release.digest in deployed)",
        "due.release.digest in ()",
        PRUNE,
        "template",
    ),
    Guard(
        "a pruned build's ledger goes last",
        "deploy/prune.py",
        "    if due.release.digest not in images:\n",
        "    if first := await cloud.documents.read(ledger_key(build_id)):\n"
        "        await cloud.documents.delete(ledger_key(build_id), first.etag)\n"
        "    if due.release.digest not in images:\n",
        PRUNE,
        "slow",
    ),
    Guard(
        "pruning proves that the lock is ours",
        "deploy/prune.py",
        "    for due in surplus.due:\n        if not await is_ours():\n",
        "    for due in surplus.due:\n        if not is_ours:\n",
        PRUNE,
        "lock",
    ),
    Guard(
        "the lock is proved before the stack is updated",
        "deploy/provision.py",
        "    if prove:\n        await prove()\n",
        "",
        LOCKS,
        "wakes",
    ),
    Guard(
        "the lock is proved before each command",
        "deploy/commands.py",
        "        await prove()\n",
        "",
        LOCKS,
        "wakes",
    ),
    Guard(
        "who took over keeps the records",
        "deploy/releases.py",
        "        if found is None or found.etag != announced:",
        "        if live == found:",
        LOCKS,
        "wakes",
    ),
    Guard(
        "a first stack waits for the assets",
        "deploy/artifacts.py",
        "            await assets_stand.wait()\n",
        "            pass\n",
        DEPLOY,
        "first_stack_waits",
    ),
    Guard(
        "every function of the template is in the stack",
        "deploy/update_stack.py",
        "    if missing:\n",
        "    if not order:\n",
        f"{FAILURES} {PROOFS}",
        "missing or lacks",
    ),
    Guard(
        "a rolled-back stack is a failure",
        "deploy/stack_states.py",
        'DONE = {\n    "CREATE_COMPLETE",\n',
        'DONE = {\n    "UPDATE_ROLLBACK_COMPLETE",\n    "CREATE_COMPLETE",\n',
        FAILURES,
        "rolled_back",
    ),
    Guard(
        "a stack that is not ours is left alone",
        "deploy/stack_states.py",
        "    if OURS not in standing.outputs:\n",
        "    if not standing.name:\n",
        FAILURES,
        "not_ours",
    ),
    Guard(
        "a command is never repeated",
        "aws/functions.py",
        "                if repeatable is Repeatable.NEVER:\n",
        "                if timeout_s < 0:\n",
        FUNCTIONS,
        "command",
    ),
    Guard(
        "a deploy's commands are marked as such",
        "deploy/commands.py",
        "repeatable=Repeatable.NEVER",
        "repeatable=Repeatable.ONCE",
        PROOFS,
        "command",
    ),
    Guard(
        "a command that does not exit 0 cancels",
        "deploy/commands.py",
        "    if status != 0:\n",
        "    if status < 0:\n",
        FAILURES,
        "failing_command",
    ),
    Guard(
        "the version that answered is the one asked for",
        "deploy/answers.py",
        '    if answer.executed_version not in {"", version}:\n',
        "    if not version:\n",
        f"{FAILURES} {PROOFS}",
        "version",
    ),
    Guard(
        "an unhealthy version does not go live",
        "deploy/health.py",
        "    if not HTTPStatus.OK <= status < HTTPStatus.BAD_REQUEST:\n",
        "    if not status:\n",
        FAILURES,
        "unhealthy",
    ),
    Guard(
        "a refused flip is put back",
        "deploy/activate.py",
        "        if now.version == move.to and move.is_due:\n",
        "        if now.version == move.to and not move.is_due:\n",
        FAILURES,
        "flip",
    ),
    Guard(
        "the flip is shielded",
        "deploy/go_live.py",
        "            with CancelScope(shield=True):\n",
        "            with CancelScope():\n",
        FAILURES,
        "interrupt_during",
    ),
    Guard(
        "the activation is on record before it begins",
        "deploy/releases.py",
        "        lambda: _write(documents, ACTIVATION_KEY, body_of(attempt)),\n",
        '        lambda: _write(documents, "hover/nowhere.json", body_of(attempt)),\n',
        "tests/process/test_recovery.py",
        "killed",
    ),
    Guard(
        "a recovery goes forward only to the release's image",
        "deploy/versions.py",
        "    if digest and state.code_sha256 != digest:\n",
        "    if not state:\n",
        "tests/process/test_recovery.py tests/process/test_rollback.py",
    ),
    Guard(
        "the registry confirms a push",
        "deploy/push.py",
        "    if found is None:\n        raise PushFailed(\n",
        "    if found is local:\n        raise PushFailed(\n",
        FAILURES,
        "push",
    ),
    Guard(
        "the local image is the one that was built",
        "deploy/push.py",
        "    if local is None or local.id != build.image_id:\n",
        "    if local is None:\n",
        f"{FAILURES} {PROOFS}",
        "image",
    ),
    Guard(
        "Lambda's control plane is asked at a pace",
        "aws/service.py",
        "        if pacer is None:\n            return await self._send(",
        "        if True:\n            return await self._send(",
        FUNCTIONS,
        "paced",
    ),
    Guard(
        "a file that shrank is found out",
        "deploy/ledger.py",
        "    if len(body) != size_bytes:\n",
        "    if body is None:\n",
        LEDGER,
        "fewer_bytes",
    ),
    Guard(
        "a file that changed is found out",
        "deploy/ledger.py",
        "    if (status.st_size, status.st_mtime_ns) != (asset.size_bytes, asset.modified_ns):\n",
        "    if not status:\n",
        LEDGER,
        "while_it_was_read",
    ),
    Guard(
        "S3 verifies every object's checksum",
        "aws/storage.py",
        '"PutObject", key, Body=body, ChecksumSHA256=sha256, **_fields(headers)',
        '"PutObject", key, Body=body, **_fields(headers)',
        f"{STORAGE} tests/process/test_real_adapters.py",
        "headers or put or through",
    ),
    Guard(
        "a bucket of somebody else is never written to",
        "aws/storage.py",
        "            Key=key,\n            ExpectedBucketOwner=self.owner,\n",
        "            Key=key,\n",
        STORAGE,
        "owner",
    ),
    Guard(
        "an interrupted upload is aborted",
        "deploy/upload.py",
        "                await self._store.abort_multipart(key, upload_id)\n",
        "                pass\n",
        FAILURES,
        "multipart",
    ),
    Guard(
        "a link out of the assets is refused",
        "assets.py",
        "            if not file.is_relative_to(inside):\n",
        "            if not inside:\n",
        ASSETS,
        "refused",
    ),
    Guard(
        "a device or a pipe is refused",
        "assets.py",
        "    if not stat.S_ISREG(status.st_mode):\n",
        "    if not status:\n",
        ASSETS,
        "refused",
    ),
    Guard(
        "warming takes half of what is free",
        "deploy/warm.py",
        "    at_once = min(asked, room.containers)\n",
        "    at_once = asked\n",
        DEPLOY,
        "concurrency or reserve",
    ),
    Guard(
        "a secret does not print",
        "values.py",
        '        return "Secret(***)"\n',
        "        return self._value\n",
        PROOFS,
        "secret",
    ),
    Guard(
        "an answer is without the token that it quotes",
        "aws/redaction.py",
        '    client.meta.events.register_first("before-parse", redact)\n',
        "",
        PROOFS,
        "canaries",
    ),
    Guard(
        "a broken answer is without what it gives",
        "aws/redaction.py",
        '                body = GIVEN.sub(rf"\\1{HIDDEN}".encode(), body)\n',
        "                pass\n",
        PROOFS,
        "canaries",
    ),
    Guard(
        "the SDK logs no request",
        "aws/redaction.py",
        "            logger.setLevel(logging.INFO)\n",
        "            pass\n",
        PROOFS,
        "canaries",
    ),
    Guard(
        "the engine's words are without the login",
        "docker/push.py",
        '_without(login, str(line["error"]))',
        'str(line["error"])',
        PROOFS,
        "canaries",
    ),
    Guard(
        "no error moves a terminal's cursor",
        "cli/main.py",
        'click.echo(f"{code}: {_printable(error.message)}", err=True)',
        'click.echo(f"{code}: {error.message}", err=True)',
        PROOFS,
        "hostile_manifests",
    ),
    Guard(
        "a queue of another stage is not taken",
        "deploy/queues.py",
        "    if owner in {None, manifest.name}:\n",
        "    if manifest:\n",
        "tests/process/test_handover.py tests/process/test_plan.py",
        "queue",
    ),
)


@dataclass(frozen=True)
class Judged:
    guard: Guard
    is_noticed: bool
    by: str


def judged(guard: Guard) -> Judged:
    """Switch the guard off in a copy, and let its tests run there."""
    if guard.matches() != 1:
        raise SystemExit(f"'{guard.name}': {guard.module} has its code {guard.matches()} times")
    with tempfile.TemporaryDirectory(prefix="hover-async-guard-") as there:
        copy = Path(there)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        module = copy / "hover_async" / guard.module
        module.write_text(module.read_text().replace(guard.code, guard.without))
        return _tested(guard, copy)


def _tested(guard: Guard, copy: Path) -> Judged:
    others = f"not {OF_THE_ANCHORS}"  # in the copy it fails whatever the guard is worth
    chosen = ["-k", f"({guard.only}) and {others}" if guard.only else others]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    try:
        ended = subprocess.run(
            [*command, *guard.tests.split(), *chosen],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Judged(guard, is_noticed=False, by=f"nothing in {LONGEST_S} s")
    failed = [line for line in ended.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    by = failed[0].partition(" - ")[0].partition("::")[2] if failed else ended.stdout[-300:]
    return Judged(guard, ended.returncode == TESTS_FAILED and bool(failed), by)


def told(results: Sequence[Judged]) -> str:
    noticed = sum(result.is_noticed for result in results)
    lines = ["| guard switched off | in | noticed by |", "|---|---|---|"]
    lines += [
        f"| {result.guard.name} | `{result.guard.module}` | "
        + (f"`{result.by}` |" if result.is_noticed else "**nothing** |")
        for result in results
    ]
    return f"{noticed} of {len(results)} are noticed.\n\n" + "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="only the guards whose name contains this")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    asked = parser.parse_args()
    chosen = [guard for guard in GUARDS if asked.only in guard.name]
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(judged, chosen):
            results.append(result)
            mark = "noticed" if result.is_noticed else "NOT NOTICED"
            sys.stdout.write(f"{mark:12} {result.guard.name}: {result.by}\n")
            sys.stdout.flush()
    sys.stdout.write(told(results) + "\n")
    if asked.write:
        write_section(
            ROOT / "docs/reliability.md", "guards", told(results), command="make prove-guards"
        )
    sys.exit(not all(result.is_noticed for result in results))


if __name__ == "__main__":
    main()
