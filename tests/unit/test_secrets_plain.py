"""The plain file of secrets: what it says, and every way to write it wrong."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hover_async.errors import SecretsInvalid, UsageError
from hover_async.secrets.names import MAX_TOTAL_BYTES, MAX_VARIABLE_BYTES, require_room
from hover_async.secrets.plain import read_plain, write_plain
from hover_async.values import Secret

FILE = "dev-secrets.plain.env"
NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True).map(lambda name: f"X{name}")
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40) | st.text(
    "a'\"\\$#{} \n\r\t=xn`", max_size=20
)


def read(text: str | bytes) -> dict[str, str]:
    content = text if isinstance(text, bytes) else text.encode()
    return {name: value.reveal() for name, value in read_plain(FILE, content).items()}


def refusal(text: str | bytes) -> SecretsInvalid | None:
    """The error that reading ends with, if it does."""
    try:
        read(text)
    except SecretsInvalid as error:
        return error
    return None


def problems(text: str | bytes) -> list[str]:
    """What is said about a file that is wrong, without the file's name."""
    with pytest.raises(SecretsInvalid) as caught:
        read(text)
    return str(caught.value).replace(f"{FILE}:", "").splitlines()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=b", {"A": "b"}),
        ("A=b\r\nB=c\rC=d\n", {"A": "b", "B": "c", "C": "d"}),
        ("\ufeffA=b", {"A": "b"}),
        ("# comment\n\n  # another\nA=b # and this\n", {"A": "b"}),
        ("export A=b\nexport\tB = c", {"A": "b", "B": "c"}),
        ("export=b", {"export": "b"}),
        ("A=\nB= \nC= # nothing\nD=''\nE=\"\"", dict.fromkeys("ABCDE", "")),
        ("A=b=c==", {"A": "b=c=="}),
        ("A=$b\nB=$\nC=$b{c}", {"A": "$b", "B": "$", "C": "$b{c}"}),
        (r"A=a\nb\\", {"A": r"a\nb\\"}),
        ("A=it's\nB=a\"b", {"A": "it's", "B": 'a"b'}),
        (r"A='a\nb\' # c", {"A": r"a\nb" + "\\"}),
        ("A='${B} \"#'", {"A": '${B} "#'}),
        (r'A="\"\\\$\n\r\t\f\v"', {"A": '"\\$\n\r\t\f\v'}),
        (r'A="\${B}"', {"A": "${B}"}),
        (r'A="a\\"' + "\n" + r'B="b"', {"A": "a\\", "B": "b"}),
        ('A="first\n# second\n\nB=third"\nC=d', {"A": "first\n# second\n\nB=third", "C": "d"}),
        ("A=üñ€ \nB='日 本'", {"A": "üñ€", "B": "日 本"}),
        ("A=a\u00a0b\u2028c", {"A": "a\u00a0b\u2028c"}),
    ],
)
def test_what_a_line_says(text: str, values: dict[str, str]) -> None:
    """Quotes, escapes, comments, several lines: as in a Laravel .env."""
    assert read(text) == values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["1:1: there is no secret in it"]),
        ("\n# only a comment\n", ["1:1: there is no secret in it"]),
        ("A", ["1:1: expected NAME=value"]),
        ("=b", ["1:1: expected NAME=value"]),
        ("1A=b\nA-B=c\nA.B=d\nÄ=e", [f"{line}:1: expected NAME=value" for line in (1, 2, 3, 4)]),
        ("A=b\nB=c\nA=b", ["3:1: A: given twice (first in line 1)"]),
        ("A=b c", ["1:1: A: more after the value: put a value with spaces or quotes in quotes"]),
        ("A='b'c", ["1:1: A: more after the value: put a value with spaces or quotes in quotes"]),
        ("A=b#c", ["1:1: A: a # without a space before it: put the value in quotes"]),
        ("A='b'#c", ["1:1: A: more after the value: put a value with spaces or quotes in quotes"]),
        ("A=#c", ["1:1: A: a # without a space before it: put the value in quotes"]),
        ("A='b\nc'", ["1:1: A: ' is not closed in its line; several lines stand in double quotes",
                      "2:1: expected NAME=value"]),
        ('B=c\nA="b\nC=d', ['2:1: A: " is not closed']),
        (r'A="\d"', ['1:1: A: in double quotes a \\ stands before one of \\ " $ n r t f v only']),
        ("A=b\0c\nB=d", ["1:1: A: there is a NUL in it, which no variable may hold"]),
        (b"A=b\nB=\xff\n", ["2:1: not UTF-8 text"]),
        ("HOVER_A=b", ["1:1: HOVER_A: 'HOVER_A' is hover-async's own: choose another name"]),
        ("_HANDLER=b", ["1:1: _HANDLER: '_HANDLER' is set by AWS Lambda itself: leave it out"]),
        (
            "VIEW_COMPILED_PATH=b",
            ["1:1: VIEW_COMPILED_PATH: set by the runtime in every container: choose another name"],
        ),
        (f"{'A' * 257}=b", [f"1:1: {'A' * 257}: '{'A' * 60}'... is not a name for a variable"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(text: str | bytes, says: list[str]) -> None:
    """Every problem at once, in the order of the file."""
    assert problems(text) == says


@pytest.mark.parametrize("text", ["A=${B}", 'A="x ${B.C} y"', "A=x${B}"])
def test_nothing_is_interpolated(text: str) -> None:
    """What Laravel would replace is refused, with the two ways to write it as it stands."""
    assert "single quotes" in problems(text)[0]


def test_a_variable_has_room_in_a_process() -> None:
    """The longest value that Linux takes is taken; one byte more is told with its size."""
    longest = "x" * (MAX_VARIABLE_BYTES - 2)
    assert read(f"A={longest}") == {"A": longest}
    assert "131,072 bytes with its name" in problems(f"A={longest}x")[0]


def test_all_variables_have_room_in_a_process() -> None:
    """Secrets and the manifest's variables are counted once each, together."""
    half = "x" * (MAX_TOTAL_BYTES // 5)
    four = {f"S{number}": Secret(half) for number in range(4)}
    require_room(four, {"S1": half, "S2": half})
    with pytest.raises(UsageError, match="bytes together"):
        require_room(four, {"A": half})


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=6))
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    """Whatever the secrets, the plain file that decrypting writes says exactly them."""
    secrets = {name: Secret(value) for name, value in values.items()}
    written = write_plain(secrets)
    assert read(written) == values
    assert list(read(written)) == list(values)
    assert len(written.splitlines()) >= len(values)


@given(st.text("AB=\"'\\$#{} \n\r\t\0ex", max_size=60) | st.binary(max_size=40))
def test_no_text_gives_a_traceback(text: str | bytes) -> None:
    """Any bytes are secrets or a list of problems in lines that the file has."""
    error = refusal(text)
    if error:
        content = text.encode() if isinstance(text, str) else text
        last = len(re.split(rb"\r\n|\r|\n", content))
        lines = re.findall(rf"^{re.escape(FILE)}:(\d+):1: ", str(error), re.MULTILINE)
        assert len(lines) == len(error.problems)
        assert all(1 <= int(line) <= last for line in lines)


@pytest.mark.parametrize("text", ["A\n" * 500_000, 'A="' + "x\\" * 500_000, "A=" + "$" * 10**6])
def test_a_file_of_another_kind_is_refused_at_once(text: str) -> None:
    """A megabyte of anything is no work, and its first problems are enough."""
    before = time.process_time()
    assert 1 <= len(problems(text)) <= 50
    assert time.process_time() - before < 1


CANARY = "c4n4ry"


@given(
    st.sampled_from(["A={}", "A='{}", 'A="{}', "{}", "A=x {}", "A={}\nA={}", "{}=\n", "A=\0{}"]),
    st.text("c4\"'\\$#{} =\n", max_size=8),
)
def test_no_problem_shows_a_value(line: str, around: str) -> None:
    """A message names the variable and the line; what may be a secret is in none of its parts."""
    wrong = line.replace("{}", f"{around}${{X}}-{CANARY}\0{around}")
    error = refusal(f"=\n{wrong}")
    assert error is not None
    told = f"{error} {error.details()} {error.hint} {error.__cause__!r} {error.__context__!r}"
    assert CANARY not in told
