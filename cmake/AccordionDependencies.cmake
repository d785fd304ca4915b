# What the compiler is built on: MLIR, LLVM and lld 22.1 (shared libMLIR and libLLVM, static lld), protobuf, and the
# ONNX C++ library that `build_tools/setup.sh` builds from its PyPI source distribution into ACCORDION_DEPS_DIR.
set(ACCORDION_DEPS_DIR ${CMAKE_SOURCE_DIR}/build/deps CACHE PATH "Where build_tools/setup.sh put its results")
list(APPEND CMAKE_PREFIX_PATH ${ACCORDION_DEPS_DIR}/onnx)

find_package(MLIR 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/mlir)
find_package(LLD REQUIRED CONFIG HINTS /usr/lib/llvm-22/lib/cmake/lld)
find_package(Protobuf REQUIRED)
# Its package file asks for one of protobuf's own, which Debian does not ship; the targets are all that is needed.
include(${ACCORDION_DEPS_DIR}/onnx/lib/cmake/ONNX/ONNXTargets.cmake)

list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include(AddAccordion)

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
include_directories(${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/lib ${CMAKE_BINARY_DIR})
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND ${LLVM_DEFINITIONS})
add_definitions(${LLVM_DEFINITIONS_LIST})
# The Python that `setup.sh` prepared runs the generators and the tests.
set(Python_EXECUTABLE ${ACCORDION_DEPS_DIR}/venv/bin/python CACHE FILEPATH "Python of the virtual environment")
include(AccordionHalide)
