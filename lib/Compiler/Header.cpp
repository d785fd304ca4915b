//===- Header.cpp - The C header beside an artefact -----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Compiler/Header.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::ac;

static std::string identifier(StringRef text) {
  std::string result;
  for (char c : text)
    result += llvm::isAlnum(c) ? llvm::toUpper(c) : '_';
  if (result.empty() || llvm::isDigit(result[0]))
    result = "M_" + result;
  return result;
}

static void describe(llvm::raw_ostream &os, StringRef prefix, StringRef kind, ArrayAttr tensors) {
  os << "#define " << prefix << "_NUM_" << identifier(kind) << "S " << tensors.size() << "\n";
  llvm::StringMap<int> seen;
  for (auto [index, attr] : llvm::enumerate(tensors)) {
    auto facts = cast<DictionaryAttr>(attr);
    auto name = facts.getAs<StringAttr>("onnx.name"), type = facts.getAs<StringAttr>("ac.type");
    std::string text = name ? name.getValue().str() : kind.str() + std::to_string(index);
    std::string symbol = identifier(text);
    if (int again = seen[symbol]++)
      symbol += "_" + std::to_string(again);
    std::string dims;
    if (auto declared = facts.getAs<ArrayAttr>("onnx.dims"))
      for (Attribute dim : declared) {
        dims += dims.empty() ? "" : ", ";
        if (auto size = dyn_cast<IntegerAttr>(dim))
          dims += std::to_string(size.getInt());
        else if (auto named = dyn_cast<StringAttr>(dim))
          dims += named.getValue().str();
      }
    // A name of the model must not end the comment it stands in.
    for (size_t at; (at = dims.find("*/")) != std::string::npos;)
      dims.replace(at, 2, "* ");
    os << "#define " << prefix << "_" << identifier(kind) << "_" << symbol << " " << index << " /* "
       << (type ? type.getValue() : StringRef("?")) << " [" << dims << "] */\n";
  }
}

llvm::Error mlir::ac::writeHeader(StringRef artefact, ModuleOp module) {
  SmallString<128> path(artefact);
  llvm::sys::path::replace_extension(path, ".h");
  std::string prefix = identifier(llvm::sys::path::stem(artefact)), partial = (path + ".partial").str();
  std::error_code code;
  {
    llvm::raw_fd_ostream os(partial, code);
    if (code)
      return llvm::createStringError(code, "cannot write '" + path.str().str() + "': " + code.message());
    os << "/* Inputs and outputs of " << llvm::sys::path::filename(artefact)
       << ", for ac_run_set_input and ac_run_output of ac/Runtime/Runtime.h. */\n#ifndef " << prefix
       << "_H\n#define " << prefix << "_H\n\n";
    if (auto inputs = module->getAttrOfType<ArrayAttr>("ac.inputs"))
      describe(os, prefix, "input", inputs);
    os << "\n";
    if (auto outputs = module->getAttrOfType<ArrayAttr>("ac.outputs"))
      describe(os, prefix, "output", outputs);
    os << "\n#endif\n";
  }
  if ((code = llvm::sys::fs::rename(partial, path)))
    return llvm::createStringError(code, "cannot write '" + path.str().str() + "': " + code.message());
  return llvm::Error::success();
}
