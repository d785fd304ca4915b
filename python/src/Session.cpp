//===- Session.cpp - Compiled models in Python -------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The module `accordion._ac`: an artefact is opened and run over the C API of the runtime. Inputs are read where numpy
// has them, through the buffer protocol; outputs of fixed size are written straight into new arrays, the others are
// copied once. The interpreter's lock is free while the model runs, and several threads may run one session: each run
// takes an `AcRun` from the session's store, so that a run with shapes seen before allocates nothing but its outputs.
//
//===----------------------------------------------------------------------===//
#include "ac/Runtime/Runtime.h"
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace nb = nanobind;

namespace {

PyObject *errorType = nullptr;

[[noreturn]] void raise(const std::string &text) {
  PyErr_SetString(errorType, text.c_str());
  throw nb::python_error();
}

void check(AcStatus status) {
  if (status != AC_OK)
    raise(ac_last_error());
}

/// The runtime's type for a buffer's format and item size, if it has one. Formats are those of Python's `struct`.
std::optional<AcType> typeOfBuffer(const Py_buffer &buffer) {
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

/// What a person sees of an input or output: name, element type, and dimensions as numbers, names or None.
struct Value {
  std::string name;
  AcType type;
  nb::tuple shape;
  std::vector<int64_t> dims;
  bool isStatic;
};

class Session {
public:
  Session(const std::string &path, const std::optional<std::string> &weights, int threads) {
    AcStatus status;
    {
      nb::gil_scoped_release unlocked;
      status = ac_model_open(path.c_str(), weights ? weights->c_str() : nullptr, threads, &model);
    }
    check(status);
    for (int32_t i = 0; i < ac_model_num_inputs(model); ++i)
      inputs.push_back(describe(ac_model_input, i));
    for (int32_t i = 0; i < ac_model_num_outputs(model); ++i)
      outputs.push_back(describe(ac_model_output, i));
    empty = nb::module_::import_("numpy").attr("empty");
  }

  ~Session() {
    for (AcRun *run : idle)
      ac_run_destroy(run);
    if (model)
      ac_model_close(model);
  }

  nb::list run(std::optional<std::vector<std::string>> names, nb::dict feeds) {
    std::vector<size_t> wanted = select(names);
    std::unique_ptr<View[]> views(new View[inputs.size()]);
    for (size_t i = 0; i < inputs.size(); ++i) {
      PyObject *value = PyDict_GetItemString(feeds.ptr(), inputs[i].name.c_str());
      if (!value)
        raise("input `" + inputs[i].name + "` is missing; the model takes " + list(inputs));
      views[i].acquire(value, false, "input `" + inputs[i].name + "`");
    }
    if (feeds.size() != inputs.size())
      refuseUnknown(feeds);

    Lease lease(*this);
    for (size_t i = 0; i < inputs.size(); ++i) {
      AcTensor tensor = views[i].tensor();
      check(ac_run_set_input(lease.run, static_cast<int32_t>(i), &tensor));
    }
    // Outputs whose size is known before the run are written where they stay.
    std::vector<nb::object> arrays(outputs.size());
    std::unique_ptr<View[]> places(new View[outputs.size()]);
    for (size_t i : wanted) {
      if (!outputs[i].isStatic)
        continue;
      arrays[i] = makeArray(outputs[i].type, outputs[i].dims, places[i]);
      check(ac_run_set_output(lease.run, static_cast<int32_t>(i), places[i].data(), places[i].bytes()));
    }
    AcStatus status;
    std::string message;
    {
      nb::gil_scoped_release unlocked;
      status = ac_run_execute(lease.run);
      if (status != AC_OK)
        message = ac_last_error();
    }
    if (status != AC_OK)
      raise(message);

    nb::list result;
    for (size_t i : wanted) {
      if (!arrays[i].is_valid()) {
        AcTensor tensor;
        check(ac_run_output(lease.run, static_cast<int32_t>(i), &tensor));
        arrays[i] = makeArray(tensor.type, std::vector<int64_t>(tensor.dims, tensor.dims + tensor.rank), places[i]);
        std::memcpy(places[i].data(), tensor.data, places[i].bytes());
      }
      result.append(arrays[i]);
    }
    return result;
  }

  std::vector<nb::tuple> describeAll(bool isInput) const {
    std::vector<nb::tuple> result;
    for (const Value &value : isInput ? inputs : outputs)
      result.push_back(nb::make_tuple(value.name, ac_type_name(value.type), value.shape));
    return result;
  }

private:
  /// An `AcRun` for one execution, given back to the store afterwards with the caller's memory unbound.
  struct Lease {
    explicit Lease(Session &session) : session(session) {
      {
        std::lock_guard<std::mutex> guard(session.mutex);
        if (!session.idle.empty()) {
          run = session.idle.back();
          session.idle.pop_back();
          return;
        }
      }
      check(ac_run_create(session.model, &run));
    }
    ~Lease() {
      for (size_t i = 0; i < session.outputs.size(); ++i)
        if (session.outputs[i].isStatic)
          ac_run_set_output(run, static_cast<int32_t>(i), nullptr, 0);
      std::lock_guard<std::mutex> guard(session.mutex);
      session.idle.push_back(run);
    }
    Session &session;
    AcRun *run = nullptr;
  };

  Value describe(AcStatus (*get)(const AcModel *, int32_t, AcTensorInfo *), int32_t index) {
    AcTensorInfo info;
    check(get(model, index, &info));
    nb::list shape;
    bool isStatic = true;
    for (int32_t d = 0; d < info.rank; ++d) {
      isStatic &= info.dims[d] >= 0;
      if (info.dims[d] >= 0)
        shape.append(info.dims[d]);
      else if (info.symbols && info.symbols[d])
        shape.append(nb::str(info.symbols[d]));
      else
        shape.append(nb::none());
    }
    return {info.name, info.type, nb::tuple(shape), std::vector<int64_t>(info.dims, info.dims + info.rank), isStatic};
  }

  nb::object makeArray(AcType type, const std::vector<int64_t> &dims, View &view) {
    nb::list shape;
    for (int64_t dim : dims)
      shape.append(dim);
    nb::object array = empty(nb::tuple(shape), dtype(type));
    view.acquire(array, type != AC_TYPE_BF16, "output");
    return array;
  }

  nb::object dtype(AcType type) {
    static const char *const names[] = {"float16", nullptr, "float32", "float64", "bool",   "int8",  "int16",
                                        "int32",   "int64", "uint8",   "uint16",  "uint32", "uint64"};
    nb::object &known = dtypes[type];
    if (!known.is_valid()) {
      nb::object numpy = nb::module_::import_("numpy");
      // numpy has no bfloat16 of its own.
      known = type == AC_TYPE_BF16 ? numpy.attr("dtype")(nb::module_::import_("ml_dtypes").attr("bfloat16"))
                                   : numpy.attr("dtype")(names[type]);
    }
    return known;
  }

  std::vector<size_t> select(const std::optional<std::vector<std::string>> &names) const {
    std::vector<size_t> result;
    if (!names) {
      for (size_t i = 0; i < outputs.size(); ++i)
        result.push_back(i);
      return result;
    }
    for (const std::string &name : *names) {
      size_t i = 0;
      while (i < outputs.size() && outputs[i].name != name)
        ++i;
      if (i == outputs.size())
        raise("the model has no output `" + name + "`; it has " + list(outputs));
      result.push_back(i);
    }
    return result;
  }

  [[noreturn]] void refuseUnknown(const nb::dict &feeds) const {
    for (auto [key, value] : feeds) {
      std::string name = nb::str(key).c_str();
      bool known = false;
      for (const Value &input : inputs)
        known |= input.name == name;
      if (!known)
        raise("the model has no input `" + name + "`; it takes " + list(inputs));
    }
    raise("two inputs have one name");
  }

  static std::string list(const std::vector<Value> &values) {
    std::string text;
    for (const Value &value : values)
      text += (text.empty() ? "`" : ", `") + value.name + "`";
    return text.empty() ? "none" : text;
  }

  AcModel *model = nullptr;
  std::vector<Value> inputs, outputs;
  std::mutex mutex;
  std::vector<AcRun *> idle;
  nb::object empty;
  nb::object dtypes[AC_TYPE_U64 + 1];
};

} // namespace

NB_MODULE(_ac, module) {
  module.doc() = "Opens and runs compiled models; use `accordion.load`.";
  nb::object error = nb::steal(PyErr_NewExceptionWithDoc(
      "accordion.Error", "A model that cannot be compiled, an artefact that cannot be opened, or a run that failed.",
      PyExc_RuntimeError, nullptr));
  errorType = error.ptr();
  module.attr("Error") = error;
  nb::class_<Session>(module, "Session")
      .def(nb::init<const std::string &, const std::optional<std::string> &, int>(), nb::arg("path"),
           nb::arg("weights").none(), nb::arg("threads"))
      .def("run", &Session::run, nb::arg("output_names").none(), nb::arg("feeds"))
      .def("inputs", [](const Session &session) { return session.describeAll(true); })
      .def("outputs", [](const Session &session) { return session.describeAll(false); });
}
