"""Globs: what they match, what they mean, and that no glob and no key takes long."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from replicator.rules import Glob, GlobError


@pytest.mark.parametrize(
    ("glob", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("a.b", ["a.b"], ["axb", "a.bc", "xa.b", "A.b"]),
        ("*", ["", "a", "a.b", "\n"], ["/", "a/b"]),
        ("*.jpg", [".jpg", "a.jpg", "a.b.jpg"], ["a/b.jpg", "a.jpg/", "a.JPG"]),
        ("?", ["a", "é", "🚀", "\n"], ["", "/", "ab"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("**", ["", "a", "/", "a/b", "\n/"], []),
        ("a/**", ["a/", "a/b", "a/b/c"], ["a", "ab/c"]),
        ("a**b", ["ab", "a/b", "axx/yb"], ["a", "ba"]),
        ("***", ["a/b"], []),
        (
            "images/**/*.jpg",
            ["images/a.jpg", "images/x/a.jpg", "images/x/y/a.jpg"],
            ["images/x/a.png", "imagesx/a.jpg"],
        ),
        ("**/a", ["a", "/a", "x/a", "x/y/a"], ["xa", "x/ya", "a/"]),
        ("**/**/a", ["a", "x/a", "x/y/a"], ["xa"]),
        ("x/**/**", ["x/", "x/a/b"], ["x", "xa"]),
        ("a**/b", ["a/b", "axx/b", "a/x/b"], ["ab", "a/xb"]),
        ("a/**/b", ["a/b", "a/x/b", "a//b"], ["a/xb", "axb", "ab"]),
        ("[abc]", ["a", "b", "c"], ["d", "", "ab"]),
        ("[a-c]x", ["ax", "cx"], ["dx", "-x"]),
        ("[a-cx-z]", ["b", "y"], ["m", "-"]),
        ("[!a-c]", ["d", "!", "-"], ["a", "/", ""]),
        ("[^a-c]", ["d"], ["a", "/"]),
        ("[a^!]", ["a", "^", "!"], ["b"]),
        ("[-a]", ["-", "a"], ["b"]),
        ("[a-]", ["-", "a"], ["b"]),
        ("[+-9]", ["+", ".", "5"], ["/"]),
        (r"[\]\\\-x]", ["]", "\\", "-", "x"], ["a"]),
        ("[[]", ["["], ["]"]),
        ("]", ["]"], []),
        ("[&&||~~.]", ["&", "|", "~", "."], ["a"]),
        (r"\*\?\[\\", ["*?[\\"], ["a?[\\"]),
        (r"\a", ["a"], ["\\a"]),
        ("{a,b}", ["{a,b}"], ["a"]),
        ("a+(b)|^$.", ["a+(b)|^$."], ["aa(b)"]),
    ],
)
def test_a_glob_matches_these_keys_and_no_others(glob, matching, others):
    compiled = Glob(glob)
    assert [key for key in matching if not compiled.matches(key)] == []
    assert [key for key in others if compiled.matches(key)] == []


@pytest.mark.parametrize(
    ("glob", "problem"),
    [
        ("a[", "character 2"),
        ("[abc", "character 1"),
        ("[]", "nothing between"),
        ("[]a]", "nothing between"),
        ("[!]", "nothing between"),
        ("[^]", "nothing between"),
        (r"[a\]", "without its"),
        ("a\\", "at the end"),
        ("[z-a]", "z-a"),
        ("[a/]", "between"),
        ("a" * 1025, "longer than 1024"),
    ],
)
def test_a_glob_without_a_meaning_is_refused_and_the_place_is_named(glob, problem):
    with pytest.raises(GlobError, match=problem):
        Glob(glob)


def matches(glob: str, key: str, *, at_segment: bool = True) -> bool:
    """What a glob means, by trying everything: without sets and escapes, and for short globs only."""
    if not glob:
        return not key
    stars = len(glob) - len(glob.lstrip("*"))
    if stars >= 2 and at_segment and glob[stars:].startswith("/"):
        segments = [0, *(place + 1 for place, character in enumerate(key) if character == "/")]
        return any(matches(glob[stars + 1 :], key[start:]) for start in segments)
    if stars:
        until = key.find("/") if stars == 1 and "/" in key else len(key)
        return any(matches(glob[stars:], key[start:], at_segment=False) for start in range(until + 1))
    if not key or (key[0] == "/" if glob[0] == "?" else key[0] != glob[0]):
        return False
    return matches(glob[1:], key[1:], at_segment=glob[0] == "/")


@given(st.text("ab/*?", max_size=8), st.text("ab/", max_size=8))
@example("**/*a", "b/ba")
@example("a/**/**/b", "a/b")
def test_a_glob_means_what_trying_everything_finds(glob, key):
    assert Glob(glob).matches(key) is matches(glob, key)


@given(st.text(max_size=20))
def test_an_escaped_key_matches_itself_and_nothing_else(key):
    glob = "".join(f"\\{character}" for character in key)
    assert Glob(glob).matches(key)
    assert not Glob(glob).matches(f"{key}x")


@given(st.text(st.sampled_from("ab/*?[]!^-\\é"), max_size=12), st.text("ab/[]-\\", max_size=6))
def test_any_text_is_a_glob_or_refused(glob, key):
    try:
        Glob(glob).matches(key)
    except GlobError as error:
        assert str(error)


@pytest.mark.parametrize(
    "glob", ["*a" * 500 + "b", "**a" * 300 + "b", "**/" * 300 + "b", "**/*a" * 200 + "b", "?" * 1024]
)
@pytest.mark.parametrize("key", ["a" * 1024, "a/" * 512, "".join(map(chr, range(0x4E00, 0x5200)))])
def test_no_key_takes_long(glob, key):
    """A backtracking matcher would need longer than there is time."""
    compiled, started = Glob(glob), time.process_time()
    compiled.matches(key)
    assert time.process_time() - started < 2
