#!/usr/bin/env python3
"""Compares `sweetspot template` with Python's jinja2 as Hugging Face's transformers sets it up.

    python3 benches/parity/templates.py FOLDER_OF_JINJA_FILES [--sweetspot target/release/sweetspot] [--verbose]
    python3 benches/parity/templates.py --cases tests/template_cases.json

Every template in the folder is rendered by both programs for every conversation below, with the same date, and the bytes
are compared. A conversation that both refuse counts as equal; one that only one of them refuses does not. Needs jinja2
3.1.6 or later. Exits with 1 when a template differs that is not named in --allow.

With --cases it checks what the program's own tests expect: that jinja2 renders each of the small templates in that file to
the text that the file gives for it (`null`: that it fails).
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = "2026-01-31T12:34:56"
BOS, EOS = "<s>", "</s>"

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Current weather at a place, in \"metric\" or <imperial> units & more",
        "parameters": {"type": "object", "required": ["place"], "properties": {
            "place": {"type": "string", "description": "City, such as Zürich"},
            "days": {"type": "integer", "description": "Days ahead", "default": 1, "minimum": 0},
            "threshold": {"type": "number", "default": 0.00001},
            "units": {"type": "string", "enum": ["metric", "imperial"]},
            "fields": {"type": "array", "items": {"type": "string"}, "description": "What to tell"},
            "options": {"type": "object", "properties": {"verbose": {"type": "boolean", "default": False}}}}}}},
    {"type": "function", "function": {
        "name": "stop", "description": "Ends the session.", "parameters": {"type": "object", "properties": {}}}},
]


def call(identifier, arguments, name="get_weather"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


SYSTEM = {"role": "system", "content": "You are a careful assistant.\nAnswer briefly."}
USER = {"role": "user", "content": "  What's the largest planet? <b>\"Quick\"</b> & 日本語 \\n  "}
WEATHER = {"place": "Zürich", "days": 2, "threshold": 1.5, "fields": ["rain", "wind"],
           "options": {"verbose": True, "none": None}}
TOOL_TURNS = [
    {"role": "user", "content": "Is it raining in Zürich?"},
    {"role": "assistant", "content": "", "tool_calls": [call("call00001", WEATHER)]},
    {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": "{\"rain\": 0.5}"},
    {"role": "assistant", "content": "It is: half a millimetre."},
    {"role": "user", "content": "Thanks. And in Bern?"},
]
PARTS = [{"type": "text", "text": "First part. "}, {"type": "text", "text": "Second part."}]

SIMPLE_TOOLS = [{"type": "function", "function": {
    "name": "search", "description": "Searches the web.",
    "parameters": {"type": "object", "required": ["query"], "properties": {
        "query": {"type": "string", "description": "What to look for"},
        "sites": {"type": "array", "items": {"type": "string"}, "description": "Where"}}}}}]

# name: (messages, tools, further variables, add_generation_prompt)
CASES = {
    "user": ([USER], None, {}, True),
    "system+user": ([SYSTEM, USER], None, {}, True),
    "no prompt": ([SYSTEM, USER], None, {}, False),
    "multi-turn": ([SYSTEM, USER, {"role": "assistant", "content": "Jupiter."}, {"role": "user", "content": "Its moons?"}],
                   None, {}, True),
    "ends with answer": ([USER, {"role": "assistant", "content": "Jupiter.\n"}], None, {}, False),
    "thinking": ([USER, {"role": "assistant", "content": "<think>\nGas giants …\n</think>\n\nJupiter."},
                  {"role": "user", "content": "Sure?"}], None, {"enable_thinking": True}, True),
    "no thinking": ([SYSTEM, USER], None, {"enable_thinking": False}, True),
    "reasoning": ([USER, {"role": "assistant", "reasoning_content": "Gas giants.", "content": "Jupiter."},
                   {"role": "user", "content": "Sure?"}], None, {}, True),
    "tools offered": ([SYSTEM, USER], TOOLS, {}, True),
    "simple tool": ([SYSTEM, {"role": "user", "content": "Find llamas."}], SIMPLE_TOOLS, {}, True),
    "simple tool, done": ([SYSTEM, {"role": "user", "content": "Find llamas."}, {
        "role": "assistant", "content": "Looking.", "tool_calls": [call("call00003", {"query": "llamas"}, "search")]},
        {"role": "tool", "tool_call_id": "call00003", "name": "search", "content": "Found."},
        {"role": "assistant", "content": "Found some."}, {"role": "user", "content": "More."}], SIMPLE_TOOLS, {}, True),
    "tool call": ([SYSTEM, *TOOL_TURNS[:2]], TOOLS, {}, False),
    "tool result": ([SYSTEM, *TOOL_TURNS[:3]], TOOLS, {}, True),
    "tools, done": (TOOL_TURNS, TOOLS, {}, True),
    "two calls": ([TOOL_TURNS[0], {"role": "assistant", "content": None, "tool_calls": [
        call("call00001", WEATHER), call("call00002", {}, "stop")]},
        {"role": "tool", "tool_call_id": "call00001", "content": "rain"},
        {"role": "tool", "tool_call_id": "call00002", "content": "stopped"}], TOOLS, {}, True),
    "arguments as text": ([TOOL_TURNS[0], {"role": "assistant", "content": "", "tool_calls": [
        call("call00001", json.dumps(WEATHER))]}, TOOL_TURNS[2]], TOOLS, {}, True),
    "parts": ([{"role": "system", "content": PARTS[:1]}, {"role": "user", "content": PARTS},
               {"role": "assistant", "content": PARTS}, {"role": "user", "content": PARTS}], None, {}, True),
    "image part": ([{"role": "user", "content": [{"type": "image"}, *PARTS]}], None, {}, True),
    "two users": ([USER, USER], None, {}, True),
    "unknown role": ([USER, {"role": "moderator", "content": "Stop."}], None, {}, True),
    "no messages": ([], None, {}, True),
}

# Names under which transformers passes a message's reasoning on.
REASONING_FIELDS = ("reasoning_content", "thinking", "reasoning")


class Generation(jinja2.ext.Extension):
    """The `{% generation %}` block: prints its body, in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_print"), [], [], body).set_lineno(line)

    def _print(self, caller):
        return caller()


def reference_environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["dict"] = dict
    env.globals["strftime_now"] = lambda form: datetime.fromisoformat(NOW).strftime(form)
    return env


# What the small templates of --cases are rendered for, beside their own variables.
CASE_VARIABLES = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": " Hi "},
                 {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
    "tools": None, "documents": None, "add_generation_prompt": True, "bos_token": BOS, "eos_token": EOS,
}


def render_case(env, template, variables):
    """The text, or None where the template fails."""
    variables = CASE_VARIABLES | variables
    messages = [with_reasoning(m) for m in variables["messages"]]
    try:
        return env.from_string(template).render(variables | {"messages": messages})
    except Exception:  # whatever a template may raise
        return None


def check_cases(env, file):
    wrong = 0
    cases = json.loads(file.read_text())
    for case in cases:
        rendered = render_case(env, case["template"], case["variables"])
        if rendered != case["expected"]:
            wrong += 1
            print(f"{case['name']}: expected {case['expected']!r}, jinja2 gives {rendered!r}")
    print(f"{len(cases) - wrong} of {len(cases)} small templates as jinja2 {jinja2.__version__} renders them")
    sys.exit(1 if wrong else 0)


def with_reasoning(message):
    reasoning = next((message[key] for key in REASONING_FIELDS if message.get(key) is not None), None)
    return message if reasoning is None else {"thinking": reasoning, **message, "reasoning_content": reasoning}


def render_reference(template, case):
    messages, tools, variables, prompt = json.loads(json.dumps(case))
    try:
        return template.render(
            messages=[with_reasoning(m) for m in messages], tools=tools, documents=None, add_generation_prompt=prompt,
            bos_token=BOS, eos_token=EOS, **variables), None
    except Exception as error:  # whatever a template may raise
        return None, f"{type(error).__name__}: {error}"


def render_sweetspot(program, file, case):
    messages, tools, variables, prompt = case
    command = [program, "template", "--template", str(file), "--messages", "-", "--now", NOW,
               "--bos-token", BOS, "--eos-token", EOS]
    command += [] if prompt else ["--no-generation-prompt"]
    command += [f"--set={key}={json.dumps(value)}" for key, value in variables.items()]
    document = {"messages": messages} | ({} if tools is None else {"tools": tools})
    done = subprocess.run(command, input=json.dumps(document).encode(), capture_output=True, check=False)
    if done.returncode == 0:
        return done.stdout.decode(), None
    return None, done.stderr.decode().strip()


def compare(env, program, file):
    """The names of the cases that differ, each with both results, and how many prompts were equal."""
    text = file.read_text()
    try:
        template, broken = env.from_string(text), None
    except jinja2.TemplateError as error:
        template, broken = None, f"{type(error).__name__}: {error}"
    differing, prompts, refused = {}, 0, 0
    for name, case in CASES.items():
        reference = render_reference(template, case) if template else (None, broken)
        ours = render_sweetspot(program, file, case)
        if reference[0] != ours[0]:
            differing[name] = (reference, ours)
        elif reference[0] is None:
            refused += 1
        else:
            prompts += 1
    return differing, prompts, refused


def first_difference(a, b):
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"at {at}: {a[max(0, at - 40):at + 60]!r} / {b[max(0, at - 40):at + 60]!r}"


def explain(reference, ours):
    if reference[0] is not None and ours[0] is not None:
        return first_difference(reference[0], ours[0])
    say = [f"prints {len(text)} characters" if text is not None else error for text, error in (reference, ours)]
    return f"jinja2 {say[0]}\n        sweetspot {say[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cases", type=Path, help="check this file's expectations instead")
    parser.add_argument("--sweetspot", default="target/release/sweetspot")
    parser.add_argument("--allow", default="", help="templates that may differ, with commas, without .jinja")
    parser.add_argument("--verbose", action="store_true", help="also the messages of conversations that both refuse")
    args = parser.parse_args()
    env = reference_environment()
    if args.cases:
        check_cases(env, args.cases)
    if not args.folder:
        parser.error("name a folder of .jinja files, or --cases")
    files = sorted(args.folder.glob("*.jinja"))
    if not files:
        sys.exit(f"{args.folder}: no .jinja files")
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda file: compare(env, args.sweetspot, file), files))
    print(f"{'template':58} {'prompts':>7} {'refused':>7} {'differ':>6}")
    equal, unexpected = 0, []
    for file, (differing, prompts, refused) in zip(files, results):
        print(f"{file.stem:58} {prompts:7} {refused:7} {len(differing):6}")
        equal += not differing
        if differing and file.stem not in args.allow.split(","):
            unexpected.append(file.stem)
        for name, (reference, ours) in differing.items():
            print(f"    {name}: {explain(reference, ours)}")
        if args.verbose:
            template = env.from_string(file.read_text())
            for name, case in CASES.items():
                reference = render_reference(template, case)
                if reference[0] is None and name not in differing:
                    print(f"    {name}: both refuse: {reference[1]}\n        {render_sweetspot(args.sweetspot, file, case)[1]}")
    print(f"{equal} of {len(files)} templates equal in all {len(CASES)} conversations "
          f"({sum(r[1] for r in results)} equal prompts, {sum(r[2] for r in results)} refused by both), "
          f"jinja2 {jinja2.__version__}")
    sys.exit(1 if unexpected else 0)


if __name__ == "__main__":
    main()
