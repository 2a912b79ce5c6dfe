"""The commands that pages show exist, with every option that they are shown with."""

import argparse
import functools
import re
import shlex
from importlib import import_module

import pytest
import typer
from apache_beam.options import pipeline_options

from console.main import app
from pipelines.option_words import declared_options
from pipelines.options import UsageError, parse_options
from tests.docs.pages import NAMES, ROOT, code_blocks, spans

_COMMAND = re.compile(r"(?:^|(?<=[\s;|&(]))(python -m pipelines\.\w+|penstock|make)(?=\s|$)(.*)")
_END = re.compile(r"\s(?:#|\|\s|&&|;|>\s)|;$")
_TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_ANY = "..."
RUNBOOKS = [name for name in NAMES if "/runbooks/" in name and not name.endswith("index.md")]


def commands_of(text):
    """Return the commands of a page's blocks, and of its sentences, as (program, words)."""
    lines = [line for block in code_blocks(text) for line in unfolded(block).splitlines()]
    starts = [span for span in spans(text) if _COMMAND.match(span)]
    found = [_COMMAND.search(line) for line in (*lines, *starts)]
    return [(match[1], words_of(match[2])) for match in found if match]


def unfolded(block):
    return re.sub(r"\\\n\s*", " ", block)


def words_of(line):
    return shlex.split(_END.split(f"{line} ", maxsplit=1)[0])


def problem_of(program, words):
    """Return what is wrong with a command, None if it can be typed."""
    if program == "make":
        targets = [word for word in words if "=" not in word]
        return next((f"no target {word}" for word in targets if word not in _TARGETS), None)
    if program == "penstock":
        return penstock_problem(console(), words)
    return pipeline_problem(program.rpartition(".")[2], words)


def pipeline_problem(name, words):
    options = import_module(f"pipelines.{name}").JOB.options
    choices = {each.name: each.words.choices for each in declared_options(options)}
    known = {*choices, *beams(), "help"}
    for word in words:
        option, _, value = word.removeprefix("--").partition("=")
        if _ANY in option:
            continue
        if not word.startswith("--") or option not in known:
            return f"pipelines.{name} knows no {word}"
        if choices.get(option) and _ANY not in value and value not in choices[option]:
            return f"{word}: not one of {choices[option]}"
    return None


@functools.cache
def console():
    return typer.main.get_command(app)


@functools.cache
def beams():
    """Return the names of Beam's own options."""
    parser = argparse.ArgumentParser(add_help=False, conflict_handler="resolve")
    for each in vars(pipeline_options).values():
        if isinstance(each, type) and "_add_argparse_args" in vars(each):
            each._add_argparse_args(parser)
    return {name.removeprefix("--") for name in parser._option_string_actions}


def penstock_problem(command, words):
    """Follow the words into groups; in sentences several of a group may be named: `ls|show`."""
    rest = list(words)
    while rest and hasattr(command, "commands"):
        names = rest.pop(0).split("|")
        if names == ["--help"]:
            return None
        missing = [name for name in names if name not in command.commands]
        if missing:
            return None if names == [_ANY] else f"no command {missing[0]}"
        command = command.commands[names[0]]
        if len(names) > 1:
            return None
    options = {name: each for each in command.params for name in (*each.opts, *each.secondary_opts)}
    places = 0
    while rest:
        word = rest.pop(0)
        name, given, _ = word.partition("=")
        if not word.startswith("-"):
            places += word != _ANY
        elif name not in options and name not in ("--help", "-h"):
            return f"{command.name} knows no {name}"
        elif name in options and not given and not options[name].is_flag and rest:
            rest.pop(0)
    most = [each.nargs for each in command.params if each.param_type_name == "argument"]
    return f"{command.name}: too many words" if -1 not in most and places > sum(most) else None


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_page_can_be_typed(name):
    found = commands_of((ROOT / name).read_text())
    wrong = [
        (program, problem) for program, words in found if (problem := problem_of(program, words))
    ]
    assert wrong == []


def test_every_command_of_a_block_is_taken_by_the_parser_that_will_get_it():
    """Of those that leave nothing out: what is needed is there, and values are of their type."""
    taken = 0
    for name in NAMES:
        blocks = "".join(f"```\n{each}\n```\n" for each in code_blocks((ROOT / name).read_text()))
        for program, words in commands_of(blocks):
            if program == "make" or not words or any(_ANY in word for word in words):
                continue
            try:
                parsed(program, words)
            except (typer.TyperException, UsageError) as error:
                pytest.fail(f"{name}: {program} {shlex.join(words)}: {error}")
            taken += 1
    assert taken > 100


def parsed(program, words):
    if program != "penstock":
        job = import_module(program.rpartition(" ")[2]).JOB
        return parse_options(words, job.options, job.usage)
    command, rest = console(), list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    return command.make_context(command.name, rest)


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_runbook_shows_commands(name):
    assert commands_of((ROOT / name).read_text())


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "python -m pipelines.hot_path --input_file=a",
            "pipelines.hot_path knows no --input_file=a",
        ),
        ("python -m pipelines.hot_path --write_mode=fix", "--write_mode=fix: not one of"),
        ("python -m pipelines.audit --repair", "pipelines.audit knows no --repair"),
        ("penstock archive list gs://b", "no command list"),
        ("penstock archive ls gs://b --hour 3", "ls knows no --hour"),
        ("penstock archive ls gs://b more", "ls: too many words"),
        ("make coffee", "no target coffee"),
    ],
)
def test_a_command_that_cannot_be_typed_is_found(line, problem):
    [(program, words)] = commands_of(f"```\n{line}\n```\n")
    assert problem_of(program, words).startswith(problem)


def test_commands_are_found_over_several_lines_and_in_sentences():
    text = (
        "Try `penstock\narchive ls A`.\n\n    make demo  # first\n\n"
        "```\npython -m pipelines.audit --from=... \\\n    --to=... && penstock up\n```\n"
    )
    assert commands_of(text) == [
        ("python -m pipelines.audit", ["--from=...", "--to=..."]),
        ("make", ["demo"]),
        ("penstock", ["archive", "ls", "A"]),
    ]
