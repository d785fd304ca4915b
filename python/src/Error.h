//===- Error.h - Failures as Python exceptions -------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_PYTHON_ERROR_H
#define AC_PYTHON_ERROR_H

#include "ac/Runtime/Runtime.h"
#include <nanobind/nanobind.h>
#include <string>

/// `accordion.Error`.
inline PyObject *errorType = nullptr;

[[noreturn]] inline void raise(const std::string &text) {
  PyErr_SetString(errorType, text.c_str());
  throw nanobind::python_error();
}

/// A failure of the C API becomes an exception.
inline void check(AcStatus status) {
  if (status != AC_OK)
    raise(ac_last_error());
}

#endif // AC_PYTHON_ERROR_H
