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
    IMAGE_ERRORS,
    LINE_MAX,
    MESSAGE_MAX,
    MESSAGE_MIN,
    REFUSAL_TEXT,
    SETTINGS_PIECE,
    SILICON_MAX,
    UPDATE_ERROR_TEXT,
    Command,
    Definition,
    Exchange,
    Image,
    ImageError,
    Key,
    Os,
    Refusal,
    UpdateError,
)

NUMBERS = {
    "GROUP": GROUP,
    "GROUP_OS": GROUP_OS,
    "GROUP_IMAGE": GROUP_IMAGE,
    "MESSAGE_MAX": MESSAGE_MAX,
    "MESSAGE_MIN": MESSAGE_MIN,
    "LINE_MAX": LINE_MAX,
    "SETTINGS_PIECE": SETTINGS_PIECE,
    "BENCH_REPEAT_MAX": BENCH_REPEAT_MAX,
    "CHECKS_MAX": CHECKS_MAX,
    "SILICON_MAX": SILICON_MAX,
}


_SIGNS = {"uint": "", "int": "-"}
WORDS_MIN = 3


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
        "/* clang-format off */",
        "",
    ]
    lines += [f"#define TINYOPS_SMP_{name} {value}u" for name, value in NUMBERS.items()]
    for prefix, commands in (("OS_", Os), ("IMAGE_", Image), ("", Command)):
        lines += ["", *(f"#define TINYOPS_SMP_{prefix}{c.name} {c.value}u" for c in commands)]
    lines += ["", "/* Why a command cannot be done. */"]
    for refusal in Refusal:
        lines += [f"/* {REFUSAL_TEXT[refusal]} */", f"#define TINYOPS_SMP_ERR_{refusal.name} {refusal.value}"]
    lines += ["", "/* Why a command of group 1 cannot be done. */"]
    lines += [f"#define TINYOPS_SMP_IMAGE_ERR_{error.name} {error.value}" for error in ImageError]
    lines += [
        "/* What group 1 says for each tinyops_slots_status, -1 first. */",
        "#define TINYOPS_SMP_IMAGE_ERRORS \\",
        "  " + ", ".join(str(IMAGE_ERRORS[error].value) for error in UpdateError),
        "/* The same statuses, negated, as UPDATE tells them. */",
    ]
    for reason in UpdateError:
        lines += [
            f"/* {UPDATE_ERROR_TEXT[reason]} */",
            f"#define TINYOPS_SMP_UPDATE_ERR_{reason.name} {reason.value}",
        ]
    for command, definition in COMMANDS.items():
        lines += ["", f"/* {command.name}. {_wrapped(definition.doc)} */"]
        for key in _keys(definition.read, definition.write):
            lines += [
                f"/* {key.type}: {key.doc} */",
                f'#define TINYOPS_SMP_{command.name}_{key.name.upper()} "{key.name}"',
            ]
        lines += _words(command, definition)
    return "\n".join([*lines, "", "#endif", ""])


def _words(command: Command, definition: Definition) -> list[str]:
    """The numbers of an answer, of 32 bits each, as one text, for cbor_entry_words."""
    answer = next((e.answer for e in (definition.read, definition.write) if e is not None and e.answer), ())
    names = [_SIGNS[key.type] + key.name for key in answer if key.type in _SIGNS and not key.name.endswith("_sum")]
    if len(names) < WORDS_MIN:
        return []
    texts = " \\\n".join(f'  "{name}\\0"' for name in names)
    return [
        "/* Those that are numbers, in order; a '-' before one with a sign. */",
        f"#define TINYOPS_SMP_{command.name}_WORDS \\\n{texts}",
    ]


def _keys(*exchanges: Exchange | None) -> Iterable[Key]:
    """Each key of the exchanges once, in order."""
    found = {key.name: key for e in exchanges if e is not None for key in (*e.ask, *e.answer)}
    return found.values()


def _wrapped(text: str) -> str:
    import textwrap

    return "\n * ".join(textwrap.wrap(text, 80))
