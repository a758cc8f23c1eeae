"""Hostile chat templates end in an error: not in a hang, and not in the memory's exhaustion."""

import subprocess
import sys
from pathlib import Path

import pytest

from chatcli.chat.message import user
from chatcli.engine.llama.template import ChatTemplate
from chatcli.errors import TemplateError

ROOT = Path(__file__).resolve().parents[2]
_GROW = (
    "{%% set ns = namespace(x=%s) %%}{%% for i in range(60) %%}{%% set ns.x = %s %%}{%% endfor %%}{{ ns.x }}"
)

RUNAWAYS = {
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "nested macros": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "endless recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "range": "{{ range(10**9) | list | length }}",
    "times": "{{ 'x' * 10**9 }}",
    "times, reversed": "{{ 10**9 * 'x' }}",
    "list times": "{{ [1] * 10**9 }}",
    "power": "{{ 9 ** (9 ** 9) }}",
    "squares": _GROW % ("3", "ns.x * ns.x"),
    "plus": _GROW % ("'a'", "ns.x + ns.x"),
    "list plus": _GROW % ("[1]", "ns.x + ns.x"),
    "tilde": _GROW % ("'a'", "ns.x ~ ns.x"),
    "capture": "{% set ns = namespace(x='a') %}{% for i in range(60) %}"
    "{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}{% endfor %}{{ ns.x }}",
    "list of lists": _GROW % ("[1]", "[ns.x, ns.x]"),
    "tuple of tuples": _GROW % ("[1]", "(ns.x, ns.x)"),
    "dict of dicts": _GROW % ("[1]", "{'a': ns.x, 'b': ns.x}"),
    "dict calls": _GROW % ("[1]", "dict(a=ns.x, b=ns.x)"),
    "namespaces": _GROW % ("[1]", "namespace(a=ns.x, b=ns.x)"),
    "comparison": "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}"
    "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
    "join": "{{ range(99999) | list | join('x' * 99999) }}",
    "join method": "{{ ('x' * 99999).join(range(99999) | map('string') | list) }}",
    "replace": "{{ ('a' * 99999) | replace('a', 'b' * 99999) }}",
    "replace method": "{{ ('a' * 99999).replace('a', 'b' * 99999) }}",
    "center": "{{ 'x' | center(10**9) }}",
    "ljust": "{{ 'x'.ljust(10**9) }}",
    "zfill": "{{ 'x'.zfill(10**9) }}",
    "expandtabs": "{{ ('\\t' * 99999).expandtabs(99999) }}",
    "indent": "{{ ('\\n' * 99999) | indent(99999) }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "percent star": "{{ '%*d' % (1000000000, 1) }}",
    "format": "{{ '{:1000000000}'.format(1) }}",
    "format nested": "{{ '{:{}}'.format(1, 1000000000) }}",
    "format filter": "{{ '%1000000000d' | format(1) }}",
    "translate": "{{ ('a' * 99999).translate({97: 'b' * 99999}) }}",
    "tojson": "{{ ('a' * 99999) | list | tojson(indent=99999) }}",
    "batch": "{{ [1] | batch(10**9, 'x') | list }}",
    "sum": "{{ ([[1] * 999] * 999) | sum(start=[]) | length }}",
    "output": "{% for i in range(99999) %}{{ 'x' * 99999 }}{% endfor %}",
    "hoard": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}"
    "{% set ns.l = ns.l + ['x' * (999999 + i)] %}{% endfor %}",
    "hoarded slices": "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}"
    "{% set ns.l = ns.l + [('x' * 3999999)[1:]] %}{% endfor %}",
    "ipsum": "{{ lipsum(10**6) }}",
    "urlize": "{{ ('a.' * 99999) | urlize }}",
}


@pytest.mark.parametrize("source", RUNAWAYS.values(), ids=RUNAWAYS.keys())
@pytest.mark.timeout(60)
def test_runaways_are_stopped(source: str) -> None:
    """Each way to run for ever or to fill the memory ends in an error of one line."""
    with pytest.raises(TemplateError) as caught:
        ChatTemplate(source).render([user("x")])
    assert "\n" not in str(caught.value)


def test_runaways_use_little_memory() -> None:
    """All of them together, in a process of their own, stay below 700 MB."""
    code = (
        "import resource, sys\n"
        "from tests.engine.test_template_bounds import *\n"
        "for source in RUNAWAYS.values():\n"
        "    try: ChatTemplate(source).render([user('x')])\n"
        "    except TemplateError: pass\n"
        "if sys.platform == 'darwin':\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "else:\n"  # ru_maxrss would count the parent's memory, which a child has until it execs
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith('VmHWM')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) < 700_000_000


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{{ '{0.__class__.__mro__}'.format(messages) }}",
        "{{ (messages | attr('__class__')).__mro__ }}",
        "{{ self.__init__.__globals__.os }}",
    ],
)
def test_nothing_of_python_is_reached(source: str) -> None:
    """Attributes that lead out of the sandbox give an error or nothing."""
    try:
        text = ChatTemplate(source).render([user("x")])
    except TemplateError:
        return
    assert "class" not in text
    assert "module" not in text


def test_harmless_uses_of_the_same_means() -> None:
    """What real templates do with them goes on working."""
    source = (
        "{{ '-' * 3 }}{{ 'a' ~ 1 ~ none }}{{ [1] + [2] }}{{ '%s|%5.1f' % ('x', 2) }}{{ 2 ** 10 }}"
        "{{ '{:>4}'.format('r') }}{{ ['a', 'b'] | join(', ') }}{{ {'é': [1, '<']} | tojson(indent=2) }}"
        "{{ 'ab' | replace('a', 'xyz') | upper | indent(2, true) }}{{ messages | length }}"
        "{% for m in messages | selectattr('role', 'equalto', 'user') %}{{ loop.index }}{% break %}"
        "{% endfor %}"
        "{% set x = dict(a=1) %}{{ x.items() | list }}{% generation %}{{ 'g' }}{% endgeneration %}"
    )
    text = ChatTemplate(source).render([user("x")])
    start = '---a1None[1, 2]x|  2.01024   ra, b{\n  "é": [\n    1,\n    "<"\n  ]\n}  XYZB1'
    assert text == start + "1[('a', 1)]g"
