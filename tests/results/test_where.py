"""The expressions of `job results --where`: what they mean, and that broken ones say where they break."""

from __future__ import annotations

import pytest

from starwhale.errors import UsageError
from starwhale.media import Text
from starwhale.results.where import parse_where

ROW = {
    "output": 7,
    "input/label": 3,
    "input/text": Text("a xb"),
    "seconds": 0.6,
    "Z-a.b c": [1, 2],
    "flag": True,
    "raw": b"x",
    "box": {"Name": "b", "at": [3, {"x": 1}], 7: "n", "Mass": 1, "mass": 2},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`Z-a.b c/1` == 2 and `z-a.b C/0` < `Z-a.b c/1` and `Z-a.b c/2` is null", True),
        ("output/0 is null", True),
        ("box/name == 'b' and box/AT/0 == 3 and box/at/1/x == 1 and box/7 == 'n'", True),
        ("box/at/9 is null and box/name/0 is null and box/nope is null and box/at/x is null", True),
        ("box/Mass == 1 and BOX/mass == 2", True),
        ("output == 7 and input/label != 3", False),
        ("output = 7 or input/label != 3", True),
        ("not output == 7 or flag", True),
        ("seconds > 0.5 and seconds < 1e3", True),
        ('input/text contains "x"', True),
        ("input/text not contains 'xx'", True),
        ("INPUT/LABEL in [1, 2, 3]", True),
        ("output not in [7]", False),
        ("`z-a.b c` contains 2", True),
        ("nope is null and output is not null", True),
        ("nope == null and nope != 3", True),
        ('output < "a"', False),
        ('output == "7"', False),
        ("raw > 3", False),
        ("raw contains 'x'", False),
        ("-1 < output", True),
        ("nope < 3", False),
        ("(output == 1 or output == 7) and flag == true", True),
    ],
)
def test_an_expression_means_what_it_says(text: str, expected: bool) -> None:
    assert parse_where(text).matches(ROW) is expected


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("output ==", "at the end"),
        ("output == 7 8", "at character 13"),
        ("(output", "at the end"),
        ("output # 3", "at character 8"),
        ("output is 3", "at character 11"),
        ("x in [1", "at the end"),
        ("(" * 5000, "nested"),
        ("x in " + "[" * 5000, "nested"),
        ("not " * 5000 + "x", "nested"),
        ("'a", "at character 1"),
        ("and", "at character 1"),
        ("__import__('os')", "at character 11"),
    ],
)
def test_a_broken_expression_says_where(text: str, place: str) -> None:
    with pytest.raises(UsageError, match=place):
        parse_where(text)
