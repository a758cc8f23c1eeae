"""Chat templates for tests, one for each way in which real families differ; a plain Jinja to compare with."""

import json
from datetime import datetime
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

CHATML = """{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message['content'] + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}"""

# System prompt inside the first instruction, strict alternation, contents trimmed.
INSTRUCT = """{{ bos_token }}
{%- if messages[0].role == 'system' %}{% set lead = messages[0].content | trim + '\\n\\n' %}
{%- set turns = messages[1:] %}{% else %}{% set lead = '' %}{% set turns = messages %}{% endif %}
{%- for message in turns %}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}
{{- raise_exception('roles must alternate user/assistant') }}{% endif %}
{%- if message.role == 'user' %}
{{- '[INST] ' + (lead if loop.first else '') + message.content | trim + ' [/INST]' }}
{%- else %}{{ ' ' + message.content | trim + eos_token }}{% endif %}
{%- endfor %}"""

# No system role at all.
NO_SYSTEM = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}
{%- for m in messages %}
{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('must alternate') }}{% endif %}
{%- set role = 'model' if m['role'] == 'assistant' else m['role'] %}
{{- '<|im_start|>' + role + '\\n' + m['content'] | trim + '<|im_end|>\\n' }}
{%- endfor %}{% if add_generation_prompt %}{{ '<|im_start|>model\\n' }}{% endif %}"""

# Says nothing about system prompts and leaves them out.
FORGETFUL = """{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}
{% elif m.role == 'assistant' %}<|assistant|>{{ m.content }}</s>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"""

# Drops the reasoning of earlier answers by looking for its end in the text, and opens it for the next.
THINKING = """{{ bos_token }}{% for m in messages %}
{%- if m.role == 'assistant' %}{% set text = m.content %}
{%- if '</think>' in text %}{% set text = text.split('</think>')[-1].lstrip('\\n') %}{% endif %}
{{- '<|assistant|>' + text + '</s>' }}
{%- else %}{{ '<|' + m.role + '|>' + m.content }}{% endif %}{% endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|><think>\\n' }}
{%- if enable_thinking is defined and not enable_thinking %}{{ '\\n</think>\\n\\n' }}{% endif %}{% endif %}"""

# Keeps reasoning apart and renders it for the last answer only.
REASONING = """{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}
{%- if m.role == 'assistant' and m.reasoning_content is defined and loop.last %}
{{- '<think>\\n' + m.reasoning_content.strip('\\n') + '\\n</think>\\n\\n' }}{% endif %}
{{- m.content.lstrip('\\n') + '<|im_end|>\\n' }}{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""

HARMONY = """<|im_start|>system<|user|>Today is {{ strftime_now('%Y') }}.<|im_end|>
{%- for m in messages %}
{%- if m.role == 'assistant' %}
{%- if '<|channel|>final' in m.content %}{{ raise_exception('channels in content') }}{% endif %}
{{- '<|im_start|>assistant<|channel|>final<|message|>' + m.content + '<|im_end|>' }}
{%- else %}{{ '<|im_start|>' + ('developer' if m.role == 'system' else m.role) + '<|message|>' }}
{{- m.content + '<|im_end|>' }}{% endif %}
{%- endfor %}{% if add_generation_prompt %}<|im_start|>assistant{% endif %}"""

# The system prompt goes with the last question; contents stand directly side by side.
GLUED = """{% for m in messages %}{% if m.role == 'system' %}{% set ns = m.content %}{% endif %}
{%- if m.role == 'user' %}
{%- if loop.last and messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}
{{- m.content }}{% elif m.role == 'assistant' %}{{ m.content }}{% endif %}{% endfor %}"""

# Reads contents in parts only, as templates of some vision models do; a string gives it nothing.
PARTS = (
    "{% for m in messages %}[{{ m.role }}]{% for part in m['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}[/{{ m.role }}]\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
OWN = {
    "chatml": CHATML,
    "instruct": INSTRUCT,
    "no-system": NO_SYSTEM,
    "forgetful": FORGETFUL,
    "thinking": THINKING,
    "reasoning": REASONING,
    "harmony": HARMONY,
    "glued": GLUED,
    "parts": PARTS,
}


def plain_render(source: str, messages: list[dict[str, str]], **variables: Any) -> str:
    """What transformers' renderer makes of a template: jinja2 with its usual settings and nothing of ours."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )

    def refuse(reason: str) -> None:
        raise jinja2.exceptions.TemplateError(reason)

    def to_json(value: Any, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=options.pop("ensure_ascii", False), **options)

    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    environment.filters["tojson"] = to_json
    for tag in ("{%- generation -%}", "{%- endgeneration -%}", "{% generation %}", "{% endgeneration %}"):
        bare = tag.replace("endgeneration", "generation")
        # The tag only marks text; an `if true` in its place keeps the whitespace rules.
        source = source.replace(tag, bare.replace("generation", "endif" if "end" in tag else "if true"))
    given = {"messages": messages, "tools": None, "documents": None} | variables
    return environment.from_string(source).render(**given)
