#!/usr/bin/env python3
"""Makes fixtures/jinja_cases.json: small templates with what jinja2 renders or raises, set up as transformers does.

    pip install jinja2 && python3 generate_jinja_cases.py
"""
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

import jinja_case_list

NOW = datetime.datetime(2026, 11, 22, 12, 0, 0)


class Generation(jinja2.ext.Extension):
    """{% generation %}: a block of its own, as transformers parses it."""

    tags = {"generation"}

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_run"), [], [], body).set_lineno(lineno)

    @jinja2.pass_eval_context
    def _run(self, context, caller):
        return caller()


class TemplateDict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)

    def fromkeys(self, *args, **kwargs):
        return dict.fromkeys(*args, **kwargs)


class TemplateNamespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attrs = dict(*args, **kwargs)
        for name in attrs:
            TemplateNamespace._check(name)
        jinja2.utils.Namespace.__init__(self, attrs)

    def __setitem__(self, name, value):
        TemplateNamespace._check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def _check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(
                "Chat templates cannot store underscore-prefixed attributes on a namespace, "
                f"but got {name!r}. Please rename the attribute."
            )


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: NOW.strftime(f)
    env.globals["dict"] = TemplateDict()
    env.globals["namespace"] = TemplateNamespace
    return env


def run(env, source, variables):
    """{"expected": text} or {"error": class} with a message where it is part of the contract."""
    try:
        return {"expected": env.from_string(source).render(**variables)}
    except Exception as e:  # every refusal of Python's counts
        result = {"error": type(e).__name__}
        if isinstance(e, (jinja2.UndefinedError, jinja2.TemplateRuntimeError)) or type(e) is jinja2.TemplateError:
            result["message"] = str(e)
        return result


def main():
    env = environment()
    cases = []
    for source in jinja_case_list.templates():
        cases.append({"template": source, **run(env, source, jinja_case_list.VARIABLES)})
    out = pathlib.Path(__file__).parent / "fixtures" / "jinja_cases.json"
    lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
    out.write_text(
        '{"variables": %s,\n"cases": [\n%s\n]}\n' % (json.dumps(jinja_case_list.VARIABLES, ensure_ascii=False), lines)
    )
    print(len(cases), "cases,", sum("error" in c for c in cases), "of them errors")


if __name__ == "__main__":
    main()
