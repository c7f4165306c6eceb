"""The C side of the definition: numbers and keys as a header."""

from __future__ import annotations

from collections.abc import Iterable

from tinyops.link.smp.definition import (
    BENCH_REPEAT_MAX,
    CHECKS_MAX,
    COMMANDS,
    GROUP,
    GROUP_IMAGE,
    GROUP_OS,
    LINE_MAX,
    MESSAGE_MAX,
    REFUSAL_TEXT,
    SETTINGS_PIECE,
    SILICON_MAX,
    Command,
    Exchange,
    Image,
    Key,
    Os,
    Refusal,
)

NUMBERS = {
    "GROUP": GROUP,
    "GROUP_OS": GROUP_OS,
    "GROUP_IMAGE": GROUP_IMAGE,
    "MESSAGE_MAX": MESSAGE_MAX,
    "LINE_MAX": LINE_MAX,
    "SETTINGS_PIECE": SETTINGS_PIECE,
    "BENCH_REPEAT_MAX": BENCH_REPEAT_MAX,
    "CHECKS_MAX": CHECKS_MAX,
    "SILICON_MAX": SILICON_MAX,
}


def c_header() -> str:
    """The text of runtime/include/tinyops/smp_group.h."""
    lines = [
        "/* Management of a board over SMP: groups, commands, refusals, and the keys of our group's maps.",
        " *",
        " * Written by tinyops/link/smp, which is their definition and says how messages travel; never",
        " * edited by hand. */",
        "#ifndef TINYOPS_SMP_GROUP_H",
        "#define TINYOPS_SMP_GROUP_H",
        "",
    ]
    lines += [f"#define TINYOPS_SMP_{name} {value}u" for name, value in NUMBERS.items()]
    for prefix, commands in (("OS_", Os), ("IMAGE_", Image), ("", Command)):
        lines += ["", *(f"#define TINYOPS_SMP_{prefix}{c.name} {c.value}u" for c in commands)]
    lines += ["", "/* Why a command cannot be done. */"]
    for refusal in Refusal:
        lines += [f"/* {REFUSAL_TEXT[refusal]} */", f"#define TINYOPS_SMP_ERR_{refusal.name} {refusal.value}"]
    for command, definition in COMMANDS.items():
        lines += ["", f"/* {command.name}. {_wrapped(definition.doc)} */"]
        for key in _keys(definition.read, definition.write):
            lines += [
                f"/* {key.type}: {key.doc} */",
                f'#define TINYOPS_SMP_{command.name}_{key.name.upper()} "{key.name}"',
            ]
    return "\n".join([*lines, "", "#endif", ""])


def _keys(*exchanges: Exchange | None) -> Iterable[Key]:
    """Each key of the exchanges once, in order."""
    found = {key.name: key for e in exchanges if e is not None for key in (*e.ask, *e.answer)}
    return found.values()


def _wrapped(text: str) -> str:
    import textwrap

    return "\n * ".join(textwrap.wrap(text, 80))
