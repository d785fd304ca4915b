# The second kernel generator, Halide 21: its wheel on PyPI is a complete C++ SDK. It runs in a process of its own, so that
# its LLVM and its assertions stay out of the compiler; nothing of ours links it but that process.
#
#   ACCORDION_HALIDE=1 build_tools/setup.sh && cmake --preset release -DACCORDION_HALIDE=ON
option(ACCORDION_HALIDE "Build the Halide kernel generator" OFF)
if(ACCORDION_HALIDE)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
            "import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec('halide').origin).parent)"
    OUTPUT_VARIABLE halide_package OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
  if(failed)
    message(FATAL_ERROR "ACCORDION_HALIDE is on but the virtual environment has no Halide: "
                        "run ACCORDION_HALIDE=1 build_tools/setup.sh")
  endif()
  # Where CMake does not look by itself on Debian.
  set(HalideHelpers_DIR ${halide_package}/lib64/cmake/HalideHelpers)
  find_package(Halide 21 REQUIRED CONFIG HINTS ${halide_package}/lib64/cmake/Halide)
  set_property(TARGET Halide::Halide PROPERTY IMPORTED_GLOBAL TRUE)
endif()
