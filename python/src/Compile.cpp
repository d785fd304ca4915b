//===- Compile.cpp - The compiler in Python ----------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The module `accordion._compiler`: one function over include/ac/Compiler. It holds LLVM and is only imported when
// something is compiled. The interpreter's lock is free meanwhile; compilations follow each other, since linking in
// process keeps global state.
//
//===----------------------------------------------------------------------===//
#include "ac/Compiler/Compiler.h"
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <mutex>

namespace nb = nanobind;

static void compile(const std::optional<std::string> &path, const std::optional<nb::bytes> &bytes,
                    const std::string &baseDir, const std::string &output, const std::string &march,
                    const std::map<std::string, int64_t> &dims, const std::string &weightsFile,
                    const std::string &saveTemps, const std::string &reportFile, int optLevel, bool foldConstants,
                    const std::string &launcher, const std::string &kernels, bool tune, bool cache,
                    const std::string &precision) {
  mlir::ac::CompileOptions options;
  options.output = mlir::ac::outputKindOf(output);
  options.march = march;
  options.dims = dims;
  options.weightsFile = weightsFile;
  options.saveTemps = saveTemps;
  options.reportFile = reportFile;
  options.optLevel = optLevel;
  options.foldConstants = foldConstants;
  options.launcher = launcher;
  options.kernels = kernels == "halide"         ? mlir::ac::KernelGenerator::Halide
                    : kernels == "auto" || tune ? mlir::ac::KernelGenerator::Auto
                                                : mlir::ac::KernelGenerator::MLIR;
  options.tune = tune;
  options.cache = cache;
  options.precision = precision == "bf16" ? mlir::ac::Precision::BF16 : mlir::ac::Precision::F32;

  static std::mutex mutex;
  llvm::StringRef data = bytes ? llvm::StringRef(bytes->c_str(), bytes->size()) : llvm::StringRef();
  std::string message;
  bool failed;
  {
    nb::gil_scoped_release unlocked;
    std::lock_guard<std::mutex> guard(mutex);
    llvm::Error error = path ? mlir::ac::compileModel(*path, output, options)
                             : mlir::ac::compileModelBytes(data, baseDir, output, options);
    failed = static_cast<bool>(error);
    if (failed)
      message = llvm::toString(std::move(error));
  }
  if (failed) {
    nb::object type = nb::module_::import_("accordion._ac").attr("Error");
    PyErr_SetString(type.ptr(), message.c_str());
    throw nb::python_error();
  }
}

NB_MODULE(_compiler, module) {
  module.doc() = "Compiles models; use `accordion.compile`.";
  module.def("compile", &compile, nb::arg("path").none(), nb::arg("bytes").none(), nb::arg("base_dir"),
             nb::arg("output"), nb::arg("march"), nb::arg("dims"), nb::arg("weights_file"), nb::arg("save_temps"),
             nb::arg("report_file"), nb::arg("opt_level"), nb::arg("fold_constants"), nb::arg("launcher"),
             nb::arg("kernels"), nb::arg("tune"), nb::arg("cache"), nb::arg("precision"));
}
