//===- View.h - The memory of arrays -----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef AC_PYTHON_VIEW_H
#define AC_PYTHON_VIEW_H

#include "Error.h"
#include <optional>
#include <vector>

namespace nb = nanobind;

/// The runtime's type for a buffer's format and item size, if it has one. Formats are those of Python's `struct`.
inline std::optional<AcType> typeOfBuffer(const Py_buffer &buffer) {
  const char *format = buffer.format ? buffer.format : "B";
  if (*format == '@' || *format == '=' || *format == '<')
    ++format;
  if (format[0] == 0 || format[1] != 0)
    return std::nullopt;
  auto integer = [&](bool isSigned) -> std::optional<AcType> {
    switch (buffer.itemsize) {
    case 1: return isSigned ? AC_TYPE_I8 : AC_TYPE_U8;
    case 2: return isSigned ? AC_TYPE_I16 : AC_TYPE_U16;
    case 4: return isSigned ? AC_TYPE_I32 : AC_TYPE_U32;
    case 8: return isSigned ? AC_TYPE_I64 : AC_TYPE_U64;
    }
    return std::nullopt;
  };
  switch (*format) {
  case '?': return AC_TYPE_BOOL;
  case 'e': return AC_TYPE_F16;
  case 'f': return AC_TYPE_F32;
  case 'd': return AC_TYPE_F64;
  case 'b': case 'h': case 'i': case 'l': case 'q': return integer(true);
  case 'B': case 'H': case 'I': case 'L': case 'Q': return integer(false);
  }
  return std::nullopt;
}

/// A view of an array's memory for as long as the object lives.
class View {
public:
  View() = default;
  View(const View &) = delete;
  ~View() { release(); }

  /// Looks at `object` as a contiguous array; `writable` is for arrays that we made.
  void acquire(nb::handle object, bool writable, const std::string &what) {
    owner = nb::borrow(object);
    if (!tryBuffer(writable)) {
      // Not an array, not contiguous, or of a type that the buffer protocol cannot tell: numpy makes it one. Its
      // `asarray` keeps scalars of rank 0, where `ascontiguousarray` would not.
      nb::object numpy = nb::module_::import_("numpy");
      owner = numpy.attr("asarray")(owner, nb::arg("order") = "C");
      if (typeName() == "bfloat16") {
        isBFloat = true;
        owner = owner.attr("view")(numpy.attr("uint16"));
      }
      if (!tryBuffer(writable))
        raise(what + " has elements of type `" + typeName() + "`, which no model takes");
    }
    std::optional<AcType> found = isBFloat ? AC_TYPE_BF16 : typeOfBuffer(buffer);
    if (!found)
      raise(what + " has elements of type `" + typeName() + "`, which no model takes");
    type = *found;
    dims.assign(buffer.shape, buffer.shape + buffer.ndim);
  }

  void *data() const { return buffer.buf; }
  size_t bytes() const { return static_cast<size_t>(buffer.len); }
  AcTensor tensor() const { return {buffer.buf, type, static_cast<int32_t>(dims.size()), dims.data()}; }

private:
  std::string typeName() const {
    nb::object dtype = owner.attr("dtype");
    return nb::str(dtype).c_str();
  }
  bool tryBuffer(bool writable) {
    release();
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    held = PyObject_GetBuffer(owner.ptr(), &buffer, flags) == 0;
    if (!held)
      PyErr_Clear();
    else if (!isBFloat && !typeOfBuffer(buffer))
      release();
    return held;
  }
  void release() {
    if (held)
      PyBuffer_Release(&buffer);
    held = false;
  }

  nb::object owner;
  Py_buffer buffer{};
  bool held = false, isBFloat = false;
  AcType type = AC_TYPE_F32;
  std::vector<int64_t> dims;
};

#endif // AC_PYTHON_VIEW_H
