# The second kernel generator, Halide 21: its wheel on PyPI, which build_tools/setup.sh unpacks, is a complete C++ SDK. It
# runs in a process of its own, so that its LLVM and its assertions stay out of the compiler; nothing of ours links it
# but that process. Without the SDK that program is left out.
set(halide_package ${ACCORDION_DEPS_DIR}/halide/halide)
if(EXISTS ${halide_package})
  # Where CMake does not look by itself on Debian.
  set(HalideHelpers_DIR ${halide_package}/lib64/cmake/HalideHelpers)
  find_package(Halide 21 REQUIRED CONFIG HINTS ${halide_package}/lib64/cmake/Halide)
  set_property(TARGET Halide::Halide PROPERTY IMPORTED_GLOBAL TRUE)
endif()
