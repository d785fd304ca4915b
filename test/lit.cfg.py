# lit's configuration, loaded by the lit.site.cfg.py of a build folder.
import os
import platform
import shutil

import lit.formats

config.name = "Accordion"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".onnxtxt", ".test"]
# Run by pytest, by ctest, or not tests at all.
config.excludes = ["EndToEnd", "Node", "Unit", "Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.accordion_build, "test")

tools = os.path.join(config.accordion_build, "bin")
config.environment["PATH"] = os.pathsep.join([tools, config.llvm_tools, os.environ["PATH"]])
# A check with a variable of an earlier function would pass for the wrong reason.
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --dump-input-filter=error"
for name in ("HOME", "XDG_CACHE_HOME"):
    if name in os.environ:
        config.environment[name] = os.environ[name]
# A test compiles what it says it compiles.
config.environment["ACCORDION_CACHE_DIR"] = ""
if config.sanitized:
    config.environment["ASAN_OPTIONS"] = "detect_leaks=0"

config.substitutions += [
    ("%python", config.accordion_python),
    ("%source", config.accordion_source),
    ("%build", config.accordion_build),
    ("%clangxx", "clang++-22"),
    ("%clang", "clang-22"),
    ("%qemu-aarch64", "qemu-aarch64 -L /usr/aarch64-linux-gnu"),
]


def cpu_flags():
    try:
        with open("/proc/cpuinfo") as file:
            return next((set(line.split()) for line in file if line.startswith("flags")), set())
    except OSError:
        return set()


flags = cpu_flags()
if {"avx2", "fma", "bmi2", "f16c"} <= flags:
    config.available_features.add("x86-64-v3")
if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
    config.available_features.add("x86-64-v4")
if shutil.which("qemu-aarch64") and os.path.isdir("/usr/aarch64-linux-gnu/lib"):
    config.available_features.add("run-aarch64")
config.available_features.add(platform.machine())
# mlir-opt itself is not sanitized, and so cannot load a plugin that is.
if not config.sanitized:
    config.available_features.add("plugin")
