"""Hostile chat templates end in an error of one line.

The trial child, which renders a template first, has little memory and time (``test_probe.py`` tries some of
these with it). Here are the bounds that hold in every process: for a template that runs away only later.
"""

import threading

import pytest

from chatcli.chat.message import assistant, user
from chatcli.engine.llama.template import ChatTemplate
from chatcli.errors import TemplateError

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
}


# What one operation makes in C cannot be bounded here: the trial finds it.
_BOUNDED = [
    *("nested loops", "endless recursion", "range", "times", "times, reversed", "power", "list times"),
    *("squares", "plus", "output"),
]


@pytest.mark.parametrize("name", _BOUNDED)
@pytest.mark.timeout(60)
def test_runaways_are_stopped(name: str) -> None:
    """Loops that do not end, and texts without end, are stopped in any process."""
    with pytest.raises(TemplateError) as caught:
        ChatTemplate(RUNAWAYS[name]).render([user("x")])
    assert "\n" not in str(caught.value)


def test_a_rendering_in_a_thread_is_stopped() -> None:
    """Answers are made in threads, where no signal comes; the thread goes on well afterwards."""
    told: list[str] = []

    def work() -> None:
        template = ChatTemplate("{% if messages | length > 1 %}" + RUNAWAYS["nested loops"] + "{% endif %}x")
        told.append(template.render([user("x")]))
        try:
            template.render([user("x"), assistant("y"), user("z")])
        except TemplateError as error:
            told.append(str(error))
        told.append(template.render([user("x")]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert told == ["x", "the chat template took more than 10 seconds; it was stopped", "x"]


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
