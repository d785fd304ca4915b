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
#include "View.h"
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

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
    for (int32_t i = 0; i < ac_model_num_budgets(model); ++i) {
      AcBudgetInfo info;
      check(ac_model_budget(model, i, &info));
      budgets.push_back({info, info.initial});
    }
    for (int32_t i = 0; i < ac_model_num_sites(model); ++i) {
      AcSiteInfo info;
      check(ac_model_site(model, i, &info));
      sites.push_back(info);
    }
    empty = nb::module_::import_("numpy").attr("empty");
  }

  ~Session() {
    for (AcRun *run : idle)
      ac_run_destroy(run);
    if (model)
      ac_model_close(model);
  }

  nb::list run(std::optional<std::vector<std::string>> names, nb::dict feeds, std::optional<nb::dict> once) {
    Forget forget{*this};
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
    setBudgets(lease.run, once);
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
    double seconds;
    {
      nb::gil_scoped_release unlocked;
      auto began = std::chrono::steady_clock::now();
      status = ac_run_execute(lease.run);
      seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      if (status != AC_OK)
        message = ac_last_error();
    }
    if (status != AC_OK)
      raise(message);
    keepStats(lease.run, seconds);
    forget.wanted = false;

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

  std::vector<nb::tuple> describeBudgets() {
    std::vector<Budget> now;
    {
      std::lock_guard<std::mutex> guard(mutex);
      now = budgets;
    }
    std::vector<nb::tuple> result;
    for (const Budget &budget : now)
      result.push_back(nb::make_tuple(budget.info.name, ac_type_name(budget.info.type), number(budget, budget.value),
                                      number(budget, budget.info.initial), number(budget, budget.info.least),
                                      number(budget, budget.info.most)));
    return result;
  }

  std::vector<nb::tuple> describeSites() const {
    std::vector<nb::tuple> result;
    for (const AcSiteInfo &site : sites) {
      nb::list counters, flops;
      for (int32_t i = 0; i < site.num_counters; ++i) {
        counters.append(nb::str(site.counters[i]));
        flops.append(site.flops[i]);
      }
      result.push_back(nb::make_tuple(site.name, site.kind, counters, flops));
    }
    return result;
  }

  /// For all runs that begin later.
  void setBudget(const std::string &name, double value) {
    // A run knows what values are allowed; its own is set anew before it is used.
    Lease lease(*this);
    check(ac_run_set_budget(lease.run, name.c_str(), value));
    std::lock_guard<std::mutex> guard(mutex);
    for (Budget &budget : budgets)
      if (budget.info.name == name)
        budget.value = value;
  }

  nb::dict stats() {
    std::optional<LastRun> found;
    {
      std::lock_guard<std::mutex> guard(mutex);
      if (auto mine = lastRuns.find(std::this_thread::get_id()); mine != lastRuns.end())
        found = mine->second;
    }
    if (!found)
      raise("there are no stats: this thread has not run the session, or its last run failed");
    const LastRun &last = *found;
    nb::dict result, budgetValues, counts;
    for (size_t i = 0; i < budgets.size(); ++i)
      budgetValues[budgets[i].info.name] = number(budgets[i], last.budgets[i]);
    size_t next = 0;
    for (const AcSiteInfo &site : sites) {
      nb::list values;
      for (int32_t i = 0; i < site.num_counters; ++i)
        values.append(last.counters[next++]);
      counts[site.name] = values;
    }
    result["seconds"] = last.seconds;
    result["budgets"] = budgetValues;
    result["sites"] = counts;
    result["flops_done"] = last.flops.done;
    result["flops_avoided"] = last.flops.avoided;
    result["flops_unknown"] = last.flops.unknown != 0;
    return result;
  }

private:
  struct Budget {
    AcBudgetInfo info;
    double value;
  };
  struct LastRun {
    double seconds = 0;
    std::vector<double> budgets;
    std::vector<int64_t> counters;
    AcFlops flops = {0, 0, 0};
  };

  /// Takes away what this thread's last run counted, once a later one has failed.
  struct Forget {
    ~Forget() {
      if (!wanted)
        return;
      std::lock_guard<std::mutex> guard(session.mutex);
      session.lastRuns.erase(std::this_thread::get_id());
    }
    Session &session;
    bool wanted = true;
  };

  /// A Python int for i64 budgets, else a float.
  static nb::object number(const Budget &budget, double value) {
    return budget.info.type == AC_TYPE_I64 ? nb::object(nb::int_(static_cast<int64_t>(value)))
                                           : nb::object(nb::float_(value));
  }

  /// Gives a run the session's budgets, and those that are for this run alone.
  void setBudgets(AcRun *run, const std::optional<nb::dict> &once) {
    if (!budgets.empty()) {
      std::lock_guard<std::mutex> guard(mutex);
      for (const Budget &budget : budgets)
        check(ac_run_set_budget(run, budget.info.name, budget.value));
    }
    if (!once)
      return;
    for (auto [name, value] : *once) {
      if (!nb::isinstance<nb::str>(name))
        raise("the keys of `budgets` are names, not " + std::string(nb::repr(name).c_str()));
      double given = PyFloat_AsDouble(value.ptr());
      if (PyErr_Occurred())
        throw nb::python_error();
      check(ac_run_set_budget(run, nb::cast<std::string>(name).c_str(), given));
    }
  }

  /// Keeps what this thread's run counted; that of other threads stays.
  void keepStats(AcRun *run, double seconds) {
    std::lock_guard<std::mutex> guard(mutex);
    LastRun &last = lastRuns[std::this_thread::get_id()];
    last.seconds = seconds;
    last.budgets.resize(budgets.size());
    for (size_t i = 0; i < budgets.size(); ++i)
      check(ac_run_get_budget(run, budgets[i].info.name, &last.budgets[i]));
    size_t numCounters = 0;
    for (size_t i = 0; i < sites.size(); ++i) {
      last.counters.resize(numCounters + static_cast<size_t>(sites[i].num_counters));
      check(ac_run_counters(run, static_cast<int32_t>(i), last.counters.data() + numCounters));
      numCounters = last.counters.size();
    }
    check(ac_run_flops(run, &last.flops));
  }

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
  std::vector<AcSiteInfo> sites;
  /// Guards what follows. No Python object is made or dropped under it, since that may run any code, on any thread.
  std::mutex mutex;
  std::vector<AcRun *> idle;
  std::vector<Budget> budgets;
  /// Of every thread that has run the session. The system gives an ended thread's identity to a later one, so that there
  /// are no more than threads at one time.
  std::unordered_map<std::thread::id, LastRun> lastRuns;
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
      .def("run", &Session::run, nb::arg("output_names").none(), nb::arg("feeds"), nb::kw_only(),
           nb::arg("budgets").none() = nb::none())
      .def("budgets", &Session::describeBudgets)
      .def("sites", &Session::describeSites)
      .def("set_budget", &Session::setBudget, nb::arg("name"), nb::arg("value"))
      .def("stats", &Session::stats)
      .def("inputs", [](const Session &session) { return session.describeAll(true); })
      .def("outputs", [](const Session &session) { return session.describeAll(false); });
}
