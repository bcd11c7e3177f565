"""The library as its users see it."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import hover_async
from hover_async import errors, events
from hover_async.events import Step, StepFinished, as_json
from hover_async.values import BuildId, Secret


def test_exported_names_are_sorted_and_exist() -> None:
    """`__all__` is what the documentation lists."""
    names = [name for name in hover_async.__all__ if name != "__version__"]
    assert names == sorted(names)
    assert all(hasattr(hover_async, name) for name in names)


def test_deploy_stays_a_function() -> None:
    """Importing the package of the same name later does not hide the function `deploy`."""
    code = (
        "import hover_async, inspect\n"
        "import hover_async.deploy.process, hover_async.build.process\n"
        "from hover_async.deploy.lock import Holder\n"
        "assert inspect.iscoroutinefunction(hover_async.deploy)\n"
        "assert inspect.iscoroutinefunction(hover_async.build)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", ["", "deploy", "doctor", "iam", "plan", "secrets encrypt"])
def test_nothing_heavy_is_imported_for_help(command: str) -> None:
    """`--help` loads neither the AWS SDK nor pydantic, Docker's client, cryptography or rich."""
    code = (
        "import sys\n"
        "from hover_async.cli.main import cli\n"
        f"cli([*'{command}'.split(), '--help'], standalone_mode=False)\n"
        "heavy = {'aioboto3', 'botocore', 'aiodocker', 'aiohttp', 'cryptography', 'pydantic'}\n"
        "heavy |= {'rich', 'yaml'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_library_waits_for_no_event_loop() -> None:
    """`import hover_async`, which is most of what `--help` takes, does not load anyio."""
    code = "import sys, hover_async, hover_async.cli.main; assert 'anyio' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def every_error() -> list[type[errors.HoverError]]:
    return [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.HoverError)
    ]


def test_every_error_has_a_code_of_its_own() -> None:
    """Codes are what programs compare: no two failures share one."""
    codes = [kind.code for kind in every_error()]
    assert len(codes) == len(set(codes))


def test_every_error_is_drawn_in_the_tree() -> None:
    """The module's docstring shows the whole tree."""
    drawn = errors.__doc__ or ""
    assert [kind.__name__ for kind in every_error() if kind.__name__ not in drawn] == []


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (errors.StackFailed, 1),
        (errors.ManifestError, 2),
        (errors.LockHeld, 3),
        (errors.ActivationRestored, 4),
        (errors.ActivationMixed, 5),
        (errors.Interrupted, 130),
    ],
)
def test_exit_codes_are_the_documented_ones(kind: type[errors.HoverError], exit_code: int) -> None:
    """Scripts rely on these numbers."""
    assert kind.exit_code == exit_code


def test_events_are_json_ready() -> None:
    """An event becomes a JSON object that names its kind."""
    line = json.loads(json.dumps(as_json(StepFinished(Step.PUSH, 1.5, "pushed"))))
    assert line == {"event": "StepFinished", "step": "push", "seconds": 1.5, "summary": "pushed"}


def test_every_event_is_frozen() -> None:
    """No reporter can change what the next one sees."""
    for kind in events.Event.__args__:
        assert kind.__dataclass_params__.frozen


def test_secret_is_never_shown() -> None:
    """Neither str, repr nor a format shows a secret."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"


def test_build_ids_sort_by_time_and_have_one_form() -> None:
    """A build id is what it says, and nothing else passes for one."""
    assert BuildId("b20261123T063100Z-7f3a9c1d") < BuildId("b20261123T063101Z-00000000")
    for wrong in ("latest", "b20261123", "b20261123T063100Z-7F3A9C1D", ""):
        with pytest.raises(ValueError, match="not a build id"):
            BuildId(wrong)
