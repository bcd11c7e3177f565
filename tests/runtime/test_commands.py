"""Deploy commands: artisan with an argument vector, its output and its exit code."""

import base64
import json
import time
from typing import Any

import pytest

from tests.runtime.conftest import Start
from tests.runtime.containers import Function


def run(cli: Function, command: object, *, timeout_s: float = 20) -> dict[str, Any]:
    answer = cli.api.invoke({"command": command}, timeout_s=timeout_s).answer()
    assert isinstance(answer, dict)
    assert set(answer) == {"exit_code", "output", "truncated", "timed_out", "duration_ms"}
    return answer


def output(answer: dict[str, Any]) -> bytes:
    return base64.b64decode(answer["output"])


@pytest.mark.every_base
@pytest.mark.parametrize(
    "words",
    [
        ["plain"],
        ["two words", " leading and trailing "],
        ["$(touch /tmp/pwned)", "`touch /tmp/pwned`", "; touch /tmp/pwned", "| cat", "> /tmp/x"],
        ["it's", 'say "hi"', "back\\slash", "$HOME", "${HOME}", "*", "~"],
        ["line one\nline two", "tab\there", "\r"],
        ["Grüße", "世界", "\U0001f388"],
        ["", "after an empty one"],
        ["--", "-not-an-option"],
        ["x" * 50_000],
    ],
    ids=["plain", "spaces", "shell", "quotes", "lines", "utf-8", "empty", "dashes", "long"],
)
def test_arguments_arrive_as_they_are(cli: Function, words: list[str]) -> None:
    """No shell touches an argument."""
    answer = run(cli, ["probe:arguments", "--", *words])
    assert answer["exit_code"] == 0, output(answer)
    assert json.loads(output(answer)) == words
    assert "pwned" not in cli.run("ls", "/tmp")  # noqa: S108 - the container's


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("'a b' \"c d\" e\\ f", ["a b", "c d", "e f"]),
        ("x'y'\"z\"", ["xyz"]),
        ("\"\" ''", ["", ""]),
        ('"a \\"b\\" \\$c" \'\\n\'', ['a "b" $c', "\\n"]),
        ("$(id) $HOME `id` * ;", ["$(id)", "$HOME", "`id`", "*", ";"]),
        ("Grüße\t'ü ü'", ["Grüße", "ü ü"]),
    ],
)
def test_command_line_is_split_by_quotes_alone(cli: Function, line: str, words: list[str]) -> None:
    """A command as one string: words and quotes, nothing is expanded."""
    assert json.loads(output(run(cli, f"probe:arguments -- {line}"))) == words


def test_long_quoted_word_is_a_word(cli: Function) -> None:
    """A quoted argument may be as long as a program's argument can be."""
    words = ["x" * 100_000, '{"a": "' + "b\\" * 10_000 + '"}']
    line = f"\"{words[0]}\" '{words[1]}'"
    assert json.loads(output(run(cli, f"probe:arguments -- {line}"))) == words


def test_open_quote_is_an_error(cli: Function) -> None:
    """A quote that is not closed runs nothing."""
    assert "not closed" in cli.api.invoke({"command": "probe:exit 'oops"}).error()
    assert "empty" in cli.api.invoke({"command": []}).error()


@pytest.mark.every_base
@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_exit_code_is_the_commands(cli: Function, code: int) -> None:
    """The answer carries the exit code."""
    assert run(cli, ["probe:exit", str(code)])["exit_code"] == code


@pytest.mark.every_base
def test_unknown_command_says_so(cli: Function) -> None:
    """Artisan's own message and code."""
    answer = run(cli, ["no:such"])
    assert answer["exit_code"] == 1
    assert b'Command "no:such" is not defined' in output(answer)


def test_killed_command_has_a_shells_code(cli: Function) -> None:
    """A signal is 128 and its number."""
    assert run(cli, ["probe:killed"])["exit_code"] == 137


def test_output_is_both_streams_in_order(cli: Function) -> None:
    """Standard output and error come together, as written, in the answer and in the log."""
    answer = run(cli, ["probe:both"])
    assert output(answer) == b"out 1\nerr 1\nout 2\n"
    assert [m for m in cli.messages() if m.startswith(("out", "err"))][-3:] == [
        "out 1",
        "err 1",
        "out 2",
    ]


def test_bytes_that_are_no_text_come_back(cli: Function) -> None:
    """Output need not be UTF-8."""
    assert output(run(cli, ["probe:bytes"])) == b"\xff\xfe\x00\x01"


def test_output_is_logged_while_the_command_runs(cli: Function) -> None:
    """The log has a line before the command ends."""
    call = cli.api.send({"command": ["probe:sleep", "2"]})
    time.sleep(1.2)
    mine = [e["message"] for e in cli.logs(busy=True) if e["requestId"] == call.request_id]
    assert mine == ["sleeping"]
    answer = call.reply.get(timeout=10).answer()
    assert output(answer) == b"sleeping\nawake\n"
    assert 2000 <= answer["duration_ms"] < 3000


@pytest.mark.every_base
def test_command_is_ended_a_second_before_the_deadline(cli: Function) -> None:
    """The answer still comes, with what was printed, and says that time was up."""
    began = time.perf_counter()
    answer = run(cli, ["probe:sleep", "30"], timeout_s=2.5)
    assert 1.3 < time.perf_counter() - began < 2.4
    assert answer["timed_out"] is True
    assert answer["exit_code"] == 124
    assert output(answer).startswith(b"sleeping\n")
    assert b"before the function's timeout" in output(answer)
    assert run(cli, ["probe:exit", "0"])["exit_code"] == 0


def test_stubborn_command_and_its_children_are_killed(cli: Function) -> None:
    """Neither a command that ignores SIGTERM nor what it started is left behind."""
    answer = run(cli, ["probe:stubborn"], timeout_s=2.5)
    assert answer["timed_out"] is True
    script = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null"
    running = cli.run("sh", "-c", script)
    assert "sleep 61\n" not in running.replace("sleep 61 \n", "sleep 61\n")
    assert "probe:stubborn" not in running


def test_child_left_behind_is_not_waited_for(cli: Function) -> None:
    """A background process that keeps the output open does not hold the answer."""
    answer = run(cli, ["probe:daemon"])
    assert answer["exit_code"] == 0
    assert answer["duration_ms"] < 2000


def test_children_of_a_command_that_obeys_are_killed(cli: Function) -> None:
    """A command that ends when it is asked to leaves no child behind either."""
    assert run(cli, ["probe:parent"], timeout_s=2.5)["timed_out"] is True
    script = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done 2>/dev/null"
    assert "sleep 63" not in cli.run("sh", "-c", script)


def test_child_that_keeps_printing_is_not_waited_for(cli: Function) -> None:
    """The answer is of the command that ended, whatever its child still says."""
    answer = run(cli, ["probe:chatty"], timeout_s=5)
    assert answer["timed_out"] is False
    assert answer["exit_code"] == 7


def test_output_below_the_limit_is_whole(cli: Function) -> None:
    """Four megabytes come back, all of them."""
    answer = run(cli, ["probe:big", "4000000"])
    assert answer["truncated"] is False
    assert output(answer) == b"FIRST" + b"x" * 4_000_000 + b"LAST"


def test_output_above_the_limit_is_cut_in_the_middle(cli: Function) -> None:
    """Beginning and end are kept, the cut is marked, and the answer fits into Lambda's 6 MB."""
    reply = cli.api.invoke({"command": ["probe:big", "20000000"]})
    answer = reply.answer()
    text = output(answer)
    assert answer["truncated"] is True
    assert text.startswith(b"FIRST")
    assert text.endswith(b"LAST")
    assert b"[hover: 15600009 bytes cut here]" in text
    assert len(reply.payload) < 6 * 1024 * 1024


@pytest.mark.every_base
def test_schedule_is_run(cli: Function) -> None:
    """EventBridge's minute runs schedule:run."""
    answer = cli.api.invoke({"schedule": True}).answer()
    assert answer["exit_code"] == 0
    assert b"No scheduled commands are ready to run" in output(answer)


def test_commands_do_not_boot_fpm(function: Start) -> None:
    """A cli container has no php-fpm, and answers no visitors."""
    cli = function(role="cli")
    run(cli, ["probe:exit", "0"])
    assert "php-fpm" not in cli.run("sh", "-c", "cat /proc/[0-9]*/comm")
    assert "role 'cli'" in cli.api.invoke({"httpMethod": "GET", "path": "/"}).error()
