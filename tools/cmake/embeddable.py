# Prints what CMake needs to embed the interpreter that runs this: executable, version, include folder and libpython, one a line.
# Exits 1 and says why on stderr when there is no libpython or no Python.h.
import os
import sys
import sysconfig


def libraries(config):
    """The places where this interpreter's libpython may lie, shared before static."""
    names = [config("INSTSONAME"), config("LDLIBRARY"), config("LIBRARY")]
    folders = [config("LIBDIR"), os.path.join(config("LIBDIR") or "", config("MULTIARCH") or ""), config("LIBPL")]
    # An installation that was unpacked elsewhere than where it was built knows that place only.
    base = os.path.realpath(sys.base_prefix)
    folders += [os.path.join(base, "lib"), base]
    for name in dict.fromkeys(filter(None, names)):
        if not name.endswith((".so", ".a", ".dylib")) and ".so." not in name:
            continue  # a framework build names a file inside its framework
        for folder in filter(None, folders):
            yield os.path.join(folder, name)
    if config("PYTHONFRAMEWORKPREFIX"):
        yield os.path.join(config("PYTHONFRAMEWORKPREFIX"), config("LDLIBRARY"))


def main():
    include = sysconfig.get_path("include", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix})
    if not os.path.exists(os.path.join(include, "Python.h")):
        sys.exit(f"no Python.h in {include}")
    library = next((path for path in libraries(sysconfig.get_config_var) if os.path.exists(path)), None)
    if library is None:
        sys.exit("no libpython, neither shared nor static")
    print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    print("{}.{}".format(*sys.version_info))
    print(include)
    print(library)


main()
