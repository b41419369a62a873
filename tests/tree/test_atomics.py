"""Atomics go through shm/atomic.hpp, name their order, and say why: the comment is part of the operation."""

import re

import pytest
from tree_source import SHIPPED, code_only, sources

OPERATION = re.compile(
    r"(?:\.|->)\s*(load|store|exchange|compare_exchange_(?:weak|strong)|fetch_(?:add|sub|and|or|xor)|test_and_set)\s*\("
)
ORDER = re.compile(r"(?:memory_order(?:_|::)|Order::)(relaxed|acquire|release|acq_rel|seq_cst|consume)\b")
NAMES = "relaxed|acquire|release|acq_rel|seq_cst"
REASON = re.compile(rf"//\s*((?:{NAMES})(?:[\s(/,]*(?:and|or|when\s+\w+)?[\s(]*(?:{NAMES})\)?)*):\s*\S")
FORBIDDEN = [
    (re.compile(r"\bstd\s*::\s*atomic\w*|\batomic_(?:ref|flag)\b|#\s*include\s*<(?:std)?atomic(?:\.h)?>|\b__(?:atomic|sync)_\w+"),
     "atomics only through shm/atomic.hpp"),
    (re.compile(r"\batomic_(?:thread|signal)_fence\b"), "no fences: ThreadSanitizer cannot see them"),
    (re.compile(r"\bvolatile\b(?!\s+std::sig_atomic_t)"), "no volatile"),
]
DOOR = "shm/atomic.hpp"


def arguments(code, start):
    """The text between the parenthesis before start and the one that closes it."""
    depth = 1
    for end in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        if depth == 0:
            return code[start:end]
    return code[start:]


def reasons(lines, first, last):
    """The orders explained by comments on these lines and in the block of comments right above them."""
    while first > 0 and lines[first - 1].lstrip().startswith("//"):
        first -= 1
    found = set()
    for line in lines[first : last + 1]:
        match = REASON.search(line)
        if match:
            found.update(re.findall(NAMES, match.group(1)))
    return found


def statement_start(code_lines, line):
    """The line on which the statement of this line begins. Operations that follow each other share the comment above the first."""
    while line > 0 and code_lines[line - 1].strip():
        if re.search(r"[;{}:]\s*$", code_lines[line - 1]) and not OPERATION.search(code_lines[line - 1]):
            break
        line -= 1
    return line


def order_violations(path, text):
    code = code_only(text)
    lines, code_lines = text.split("\n"), code.split("\n")
    for match in OPERATION.finditer(code):
        call = arguments(code, match.end())
        last = code.count("\n", 0, match.end() + len(call))
        at = code.count("\n", 0, match.start())
        explained = reasons(lines, statement_start(code_lines, at), last)
        # A function that hands its `order` on explains each that its callers may choose.
        orders = ORDER.findall(call)[:1] or (explained if re.search(r"\border\b", call) else [])
        where = f"{path}:{at + 1}: {match.group(1)}"
        if not orders:
            yield f"{where} names no memory order"
        elif not explained.intersection(orders):
            yield f"{where} has no comment `// {orders[0]}: why` on it or right above it"


def forbidden(path, text):
    if path == DOOR:
        return
    for number, line in enumerate(code_only(text).split("\n"), 1):
        for pattern, why in FORBIDDEN:
            if pattern.search(line):
                yield f"{path}:{number}: {why}"


def test_every_atomic_operation_in_shm_names_its_order_and_says_why():
    found = [line for path, text in sources("shm") if path != DOOR for line in order_violations(path, text)]
    assert not found, "\n".join(found)


def test_atomics_come_through_one_door_without_volatile_and_fences():
    found = [line for path, text in sources(*SHIPPED) for line in forbidden(path, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "void f() {\n  tail_.store(tail);\n}\n",
        "void f() {\n  tail_.store(tail, std::memory_order_release);\n}\n",
        "void f() {\n  // Publishes the bytes.\n  tail_.store(tail, std::memory_order_release);\n}\n",
        "void f() {\n  // relaxed: mine.\n  tail_.store(tail, std::memory_order_release);\n}\n",
        "void f() {\n  // release:\n  tail_.store(tail, std::memory_order_release);\n}\n",
        "void f() {\n  // release: pairs with peek.\n  int a;\n  tail_.store(tail, std::memory_order_release);\n}\n",
        "void f() {\n  // seq_cst: the bell.\n  if (a->load(std::memory_order_seq_cst) && a->exchange(0)) g();\n}\n",
        "void f(Order order) {\n  // Whatever the caller wants.\n  tail_.load(order);\n}\n",
        "void f() {\n  // relaxed: mine.\n  tail_.load(std::memory_order_relaxed);\n  // Publishes.\n  tail_.store(1, std::memory_order_release);\n}\n",
        'void f() {\n  g("// release: no");  tail_.store(g(1, 2),\n    h(3));\n}\n',
    ],
)
def test_an_unexplained_operation_is_caught(text):
    assert len(list(order_violations("shm/ring.hpp", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "  // release: pairs with acquire in peek.\n  // Publishes the bytes.\n  tail_.store(tail, std::memory_order_release);\n",
        "  const auto tail = tail_.load(std::memory_order_relaxed);  // relaxed: only this side writes tail_.\n",
        "  // seq_cst: the bell.\n  if (a.load(std::memory_order_seq_cst) != 0 &&\n      a.exchange(0, std::memory_order_seq_cst) != 0) {\n",
        "  // acquire (or seq_cst): pairs with release.\n  const auto head = head.load(order);\n",
        "  // seq_cst: the bell.\n  if (a.load(std::memory_order_seq_cst) == 0) return;\n  a.exchange(0, std::memory_order_seq_cst);\n",
        "  // acq_rel: takes over; relaxed when it fails.\n  c.compare_exchange_strong(\n      x, y, std::memory_order_acq_rel, std::memory_order_relaxed);\n",
    ],
)
def test_an_explained_operation_passes(text):
    assert not list(order_violations("shm/ring.hpp", text))


@pytest.mark.parametrize(
    "line",
    [
        "std::atomic<int> a;",
        "std::atomic_ref<int> a(b);",
        "#include <atomic>",
        "__atomic_load_n(&a, 0);",
        "std::atomic_thread_fence(std::memory_order_seq_cst);",
        "volatile int a;",
    ],
)
def test_a_way_round_the_door_is_caught(line):
    assert list(forbidden("worker/inbox.cpp", line + "\n"))
    assert not list(forbidden("worker/inbox.cpp", f"// {line}\n"))
