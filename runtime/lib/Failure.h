//===- Failure.h - Errors inside the runtime --------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Inside the runtime a failure is an exception that carries the status of the C API; it never crosses the C ABI and
// never crosses frames of compiled code.
//
//===----------------------------------------------------------------------===//
#ifndef AC_RUNTIME_LIB_FAILURE_H
#define AC_RUNTIME_LIB_FAILURE_H

#include "ac/Runtime/Runtime.h"

#include <stdexcept>
#include <string>

namespace accordion {

class Failure : public std::runtime_error {
public:
  Failure(AcStatus status, const std::string &text) : std::runtime_error(text), status(status) {}
  AcStatus status;
};

/// `printf` into a string.
std::string format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

/// Throws a Failure with the formatted text.
[[noreturn]] void fail(AcStatus status, const char *pattern, ...) __attribute__((format(printf, 2, 3)));

} // namespace accordion
#endif // AC_RUNTIME_LIB_FAILURE_H
