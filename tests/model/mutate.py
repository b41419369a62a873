"""mutate.py NAME FOLDER: a copy of one shipped file with one mistake in it, for the explorer to catch. mutate.py --list: the names.

The copy lies at the same path below FOLDER and is found before the shipped one by the compiler. A text to be replaced that is not there
exactly once is an error: then the code has changed and the mutant with it must.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# name: (file, model, [(text, replacement)])
MUTANTS = {
    "publish-before-write": (
        "shm/ring.hpp",
        "transport",
        [
            (
                "    std::memcpy(bytes_.data() + ((tail_ + padding_) & mask_), &header, sizeof header);\n"
                "    tail_ += padding_ + record_space(header.length);\n",
                "    const auto place = (tail_ + padding_) & mask_;\n    tail_ += padding_ + record_space(header.length);\n",
            ),
            (
                "    positions_.tail.store(tail_, std::memory_order_release);\n  }\n\n  // Before the bell",
                "    positions_.tail.store(tail_, std::memory_order_release);\n"
                "    std::memcpy(bytes_.data() + place, &header, sizeof header);\n  }\n\n  // Before the bell",
            ),
        ],
    ),
    "release-before-read": (
        "shm/ring.hpp",
        "transport",
        [
            (
                "    record.tag = {header.kind, header.flags, header.slot, header.generation};\n",
                "    positions_.head.store(head_ + space_, std::memory_order_release);\n"
                "    record.tag = {header.kind, header.flags, header.slot, header.generation};\n",
            )
        ],
    ),
    "flag-check-before-store": (
        "shm/doorbell.hpp",
        "transport",
        [
            (
                "  bell.arm();\n  if (anything()) {\n    bell.disarm();\n    return Slept::NotAtAll;\n  }\n",
                "  if (anything()) return Slept::NotAtAll;\n  bell.arm();\n",
            )
        ],
    ),
    "no-re-check-after-arming": (
        "shm/doorbell.hpp",
        "transport",
        [("  if (anything()) {\n    bell.disarm();\n    return Slept::NotAtAll;\n  }\n", "  static_cast<void>(anything);\n")],
    ),
    "relaxed-publish": (
        "shm/ring.hpp",
        "transport",
        [("    positions_.tail.store(tail_, std::memory_order_seq_cst);", "    positions_.tail.store(tail_, std::memory_order_relaxed);")],
    ),
    "relaxed-arm": (
        "shm/doorbell.hpp",
        "transport",
        [("    flag_.sleeping.store(1, std::memory_order_seq_cst);", "    flag_.sleeping.store(1, std::memory_order_relaxed);")],
    ),
    "relaxed-settle": (
        "shm/ring.hpp",
        "transport",
        [("    positions_.head.store(head_, std::memory_order_seq_cst);", "    positions_.head.store(head_, std::memory_order_relaxed);")],
    ),
    "relaxed-want-room": (
        "shm/ring.hpp",
        "transport",
        [("    positions_.want_room.store(1, std::memory_order_seq_cst);", "    positions_.want_room.store(1, std::memory_order_relaxed);")],
    ),
    "want-room-without-a-re-check": (
        "shm/ring.hpp",
        "transport",
        [("    return would_fit(max);\n", "    static_cast<void>(max);\n    return false;\n")],
    ),
    "room-not-rung-for": (
        "shm/ring.hpp",
        "transport",
        [("    return positions_.want_room.exchange(0, std::memory_order_seq_cst) != 0;", "    return false;")],
    ),
    "drained-without-re-arming": (
        "shm/doorbell.hpp",
        "transport",
        [
            (
                "  const bool rung = wait_bell(bell.fd(), timeout_ms);\n",
                "  bool rung = wait_bell(bell.fd(), timeout_ms);\n  if (!anything()) {\n    bell.drain();\n"
                "    rung = wait_bell(bell.fd(), timeout_ms);\n  }\n",
            )
        ],
    ),
    "claim-without-cas": (
        "shm/claims.hpp",
        "transport",
        [
            (
                "    return words_[slot].compare_exchange_strong(expected, offered(generation) | 1,",
                "    if (words_[slot].load(std::memory_order_acquire) != expected) return false;\n"
                "    words_[slot].store(offered(generation) | 1, std::memory_order_release);\n    return true;\n"
                "    return words_[slot].compare_exchange_strong(expected, offered(generation) | 1,",
            )
        ],
    ),
    "revoke-without-generation": (
        "shm/claims.hpp",
        "transport",
        [("offered(generation + 1)", "offered(generation)")],
    ),
    "head-never-re-read": (
        "shm/ring.hpp",
        "transport",
        [("    if (need <= to_end && has_room(need))", "    if (need <= to_end && (has_room(need) || true))")],
    ),
    "lead-not-passed-on": (
        "worker/crew.cpp",
        "crew",
        [("  if (!leading_ && !followers_.empty()) {", "  if (false) {")],
    ),
    "leader-does-not-look-again": (
        "worker/crew.cpp",
        "crew",
        [("  if (channel_.requests.anything_now() ||", "  if (")],
    ),
    "leader-does-not-look-after-spinning": (
        "worker/crew.cpp",
        "crew",
        [("          continue;  // others went on meanwhile: everything is looked at again\n", "")],
    ),
}


def mutate(name, folder):
    path, _, edits = MUTANTS[name]
    text = (ROOT / path).read_text()
    for old, new in edits:
        if text.count(old) != 1:
            sys.exit(f"mutant {name}: its text is in {path} {text.count(old)} times, not once:\n{old}")
        text = text.replace(old, new)
    target = pathlib.Path(folder) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


if __name__ == "__main__":
    if sys.argv[1] == "--list":
        print(";".join(f"{name}:{path}:{model}" for name, (path, model, _) in MUTANTS.items()), end="")
    else:
        mutate(sys.argv[1], sys.argv[2])
