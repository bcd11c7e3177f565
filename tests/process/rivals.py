"""Somebody else who changes things: one change of the very object that a request is about."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from anyio import current_time

from hover_async.deploy.lock import LOCK_KEY, Holder
from hover_async.ports import Document, ObjectHeaders
from hover_async.testing import FakeCloud, Sent
from hover_async.testing.lambdas import FakeVersion
from hover_async.testing.storage import StoredObject
from hover_async.values import FunctionName, Version
from tests.process.trial import Trial

RIVALS_IMAGE = f"rival@sha256:{'e' * 64}"
HEADERS = ObjectHeaders("text/plain", "no-store")


def rivals_lock() -> bytes:
    expires = datetime.now(UTC) + timedelta(seconds=60)
    holder = Holder("rival", "rivals-build", "rival", "elsewhere", "", expires.isoformat())
    return json.dumps(asdict(holder)).encode()


class Rival:
    """Changes what a request of the trial is about, just before that request has its effect."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._cloud: FakeCloud = trial.cloud

    def __call__(self, sent: Sent) -> bool:
        service, _, operation = sent.name.partition(".")
        match service:
            case "lambda":
                return self._function(operation, FunctionName(sent.subject))
            case "cloudformation":
                return self._stack(sent.subject)
            case "s3":
                return self._object(operation, sent)
            case "sqs":
                return self._queue(sent.subject)
        return False

    def _function(self, operation: str, name: FunctionName) -> bool:
        function = self._cloud.lambdas.functions.get(name)
        if function is None or operation == "Invoke":
            return False
        if operation in {"PublishVersion", "GetFunction"}:
            function.image_uri = RIVALS_IMAGE
            return True
        newest = max((int(version) for version in function.versions), default=0)
        version = Version(str(newest + 1))
        function.versions[version] = FakeVersion(RIVALS_IMAGE, "rival", current_time())
        function.live.version, function.live.revision = version, function.live.revision + 1
        self._trial.touched.add(name)
        return True

    def _stack(self, name: str) -> bool:
        stack = self._cloud.stacks.stacks.get(name)
        if stack is None:
            return False
        stack.working, stack.token = "UPDATE_IN_PROGRESS", "rival"
        stack.ends_at_s = current_time() + 20
        return True

    def _object(self, operation: str, sent: Sent) -> bool:
        key, documents = sent.subject, self._cloud.documents.documents
        if not key.startswith("hover/"):
            if operation == "CopyObject":  # purged since its ledger was read
                return bool(self._cloud.assets.objects.pop(sent.asked["CopySource"]["Key"], None))
            self._cloud.assets.objects[key] = StoredObject(b"the rival's", HEADERS)
            return True
        found = documents.get(key)
        body = found.body if found else b"{}"
        if key == LOCK_KEY:
            body = rivals_lock()
        documents[key] = Document(body, f"rival-{sent.number}")
        return True

    def _queue(self, name: str) -> bool:
        queue = self._cloud.queues.queues.get(name)
        if queue is None:
            return False
        queue.attributes["VisibilityTimeout"] = "43200"
        return True
