//===- Import.cpp - From ONNX models to the onnx dialect ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/GraphImporter.h"
#include "Import/ONNX/ImportError.h"
#include "Import/ONNX/Prepare.h"
#include "ac/Import/ONNX.h"
#include "dialects/ONNX/IR/ONNXDialect.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "onnx/defs/parser.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/stubs/logging.h>

using namespace mlir;
using namespace mlir::ac;

namespace {

void parseText(llvm::StringRef text, ::onnx::ModelProto &model) {
  auto status = ::onnx::OnnxParser::Parse(model, std::string_view(text.data(), text.size()));
  if (!status.IsOK()) {
    std::string message = status.ErrorMessage();
    std::replace(message.begin(), message.end(), '\n', ' ');
    throw ImportError("ONNX text syntax: " + message);
  }
}

void parseBinary(llvm::StringRef bytes, ::onnx::ModelProto &model) {
  if (bytes.empty())
    throw ImportError("the file is empty");
  if (bytes.size() > INT32_MAX)
    throw ImportError("the file has more than 2 GiB, which protobuf cannot read: save the weights as external data");
  google::protobuf::LogSilencer silence;
  google::protobuf::io::CodedInputStream stream(bytes.bytes_begin(), bytes.size());
  stream.SetTotalBytesLimit(INT32_MAX);
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    throw ImportError("this is no ONNX model, or it is truncated or damaged: it cannot be parsed as protobuf");
}

/// The library's message on one line, with the node that it adds as context in front.
std::string onOneLine(llvm::StringRef message) {
  std::string result;
  for (char c : message.trim())
    if (c != '\n')
      result += c;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  auto [text, context] = llvm::StringRef(result).split(" ==> Context: Bad node spec for node. Name: ");
  if (context.empty())
    return result;
  auto [name, op] = context.split(" OpType: ");
  return ((name.empty() ? "a node" : "node `" + name.str() + "`") + " (" + op + "): " + text).str();
}

OwningOpRef<ModuleOp> import(llvm::StringRef bytes, bool isText, llvm::StringRef baseDir, llvm::StringRef name,
                             MLIRContext *context, const ImportOptions &options) {
  context->loadDialect<func::FuncDialect, mlir::onnx::ONNXDialect>();
  OwningOpRef<ModuleOp> module;
  std::string message;
  try {
    ::onnx::ModelProto model;
    if (isText)
      parseText(bytes, model);
    else
      parseBinary(bytes, model);
    ExternalData external(baseDir.str(), options.onExternalFile);
    prepareModel(model, baseDir.str(), external, options);
    module = buildModule(model, external, context);
  } catch (const std::exception &error) {
    message = onOneLine(error.what());
  }
  if (!message.empty()) {
    emitError(UnknownLoc::get(context)) << name << ": " << message;
    return {};
  }
  if (failed(verify(*module)))
    return {};
  return module;
}

} // namespace

void mlir::ac::registerImportDialects(DialectRegistry &registry) {
  registry.insert<func::FuncDialect, mlir::onnx::ONNXDialect>();
}

OwningOpRef<ModuleOp> mlir::ac::importONNX(StringRef path, MLIRContext *context, const ImportOptions &options) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer) {
    emitError(UnknownLoc::get(context)) << path << ": cannot read the model: " << buffer.getError().message();
    return {};
  }
  bool isText = path.ends_with(".onnxtxt") || path.ends_with(".txt");
  return import((*buffer)->getBuffer(), isText, llvm::sys::path::parent_path(path), path, context, options);
}

OwningOpRef<ModuleOp> mlir::ac::importONNXBytes(StringRef bytes, StringRef baseDir, MLIRContext *context,
                                                const ImportOptions &options, StringRef name) {
  // Text begins with a comment or the model's properties in angle brackets, a protobuf never with one of these.
  StringRef start = bytes.ltrim(" \t\r\n");
  bool isText = start.starts_with("<") || start.starts_with("#");
  return import(bytes, isText, baseDir, name, context, options);
}
