"""Ed25519 as devices check it: the vectors of RFC 8032, and another implementation's answers to thousands of cases."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fakes.compiled import BASE, SANITIZED
from tinyops.firmware.fetched import signature_sources
from tinyops.specs.lock import SOURCES

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19
# RFC 8032, 7.1: key, message, signature of tests 1 to 3 and of SHA(abc).
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
# Points whose order is 1, 2, 4 or 8, as they and no other key may stand for: in a key they would sign everything.
SMALL = [0, 1, PRIME - 1, PRIME, PRIME + 1, *(1 << 255 | y for y in (0, 1, PRIME - 1))] + [
    int.from_bytes(bytes.fromhex(text), "little")
    for text in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ed25519")
    for name, data in signature_sources(SOURCES, lambda _: None).items():
        (folder / name).write_bytes(data)
    made, library = folder / "run", folder / "monocypher.o"
    undefined = "-fno-sanitize=shift"  # the library shifts negative numbers, which GCC defines
    subprocess.run(
        ["gcc", "-std=c99", "-O1", *SANITIZED, undefined, "-c", folder / "monocypher.c", "-o", library],
        check=True,
        timeout=60,
    )
    own = [*(RUNTIME / "signature").glob("*.c"), ROOT / "tests/runtime/run_ed25519.c"]
    include = ["-I", RUNTIME / "include", "-I", RUNTIME / "signature", "-isystem", folder]
    subprocess.run(["gcc", *BASE, *SANITIZED, *include, *own, library, "-o", made], check=True, timeout=60)
    return made


def check(program: Path, cases: list[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """Whether each (signature, key, message) holds."""
    data = b"".join(s + k + len(m).to_bytes(2, "little") + m for s, k, m in cases)
    done = subprocess.run([program], input=data, capture_output=True, check=True, timeout=300)
    assert len(done.stdout) == len(cases)
    return [answer == ord("1") for answer in done.stdout]


@pytest.mark.parametrize("piece", [1, 127, 4096])
def test_sha512_of_any_length_in_any_pieces(piece: int, program: Path) -> None:
    source = np.random.default_rng(2)
    for length in (0, 1, 111, 112, 127, 128, 129, 239, 240, 256, 5000):
        data = source.bytes(length)
        done = subprocess.run([program, "digest", str(piece)], input=data, capture_output=True, check=True, timeout=20)
        assert done.stdout.decode() == hashlib.sha512(data).hexdigest(), length


def test_the_vectors_of_the_standard(program: Path) -> None:
    cases = [(bytes.fromhex(s), bytes.fromhex(k), bytes.fromhex(m)) for k, m, s in VECTORS]
    assert check(program, cases) == [True] * len(cases)
    assert check(program, [(s, k, m + b"!") for s, k, m in cases]) == [False] * len(cases)


def other_says(signature: bytes, key: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_another_implementation_agrees_on_thousands_of_cases(program: Path) -> None:
    """Whole signatures, and the same with one bit of signature, key or message turned, or with random bytes."""
    source = np.random.default_rng(3)
    cases: list[tuple[bytes, bytes, bytes]] = []
    for number in range(1000):
        private = Ed25519PrivateKey.from_private_bytes(source.bytes(32))
        message = source.bytes(int(source.integers(0, 200)) if number % 2 else 32)
        whole = [private.sign(message), private.public_key().public_bytes_raw(), message]
        cases.append((whole[0], whole[1], whole[2]))
        for part in (0, 0, 1, 2):
            turned = list(whole)
            turned[part] = flip(turned[part], source)
            cases.append((turned[0], turned[1], turned[2]))
        cases.append((source.bytes(64), whole[1], message))
    wanted = [other_says(*case) for case in cases]
    assert check(program, cases) == wanted
    assert 1000 <= sum(wanted) < 1100 and len(cases) == 6000  # an empty message has no bit to turn


def flip(data: bytes, source: np.random.Generator) -> bytes:
    found = bytearray(data)
    if found:
        bit = int(source.integers(0, 8 * len(found)))
        found[bit // 8] ^= 1 << bit % 8
    return bytes(found)


def test_a_signature_has_one_form_only(program: Path) -> None:
    """S and S plus the group's order would both satisfy the equation."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, message = private.public_key().public_bytes_raw(), b"once"
    signature = private.sign(message)
    s = int.from_bytes(signature[32:], "little")
    cases = [(signature[:32] + (s + n * ORDER).to_bytes(32, "little"), key, message) for n in range(15)]
    assert check(program, cases) == [True] + [False] * 14


def test_a_key_of_small_order_signs_nothing(program: Path) -> None:
    """With a key of such a point, R = [S]B with any S holds for one message in eight, or for all."""
    neutral = (1).to_bytes(32, "little") + bytes(32)
    messages = [bytes([number]) for number in range(64)]
    keys = [y.to_bytes(32, "little") for y in SMALL]
    assert not any(check(program, [(neutral, key, message) for key in keys for message in messages]))


def test_a_signature_needs_points_of_the_curve(program: Path) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, message = private.public_key().public_bytes_raw(), b"on the curve"
    signature, none = private.sign(message), (2).to_bytes(32, "little")  # no x belongs to this y
    assert check(program, [(none + signature[32:], key, message), (signature, none, message)]) == [False, False]
    assert check(program, [(signature, key, message)]) == [True]
