//===- ImportError.h - How the parts of the importer fail --------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The ONNX library reports by exceptions, so the importer does too, up to its entry points, which turn every exception
// into one error of the context. None crosses MLIR code.
//
//===----------------------------------------------------------------------===//

#ifndef IMPORT_ONNX_IMPORTERROR_H
#define IMPORT_ONNX_IMPORTERROR_H

#include "onnx/onnx_pb.h"
#include "llvm/ADT/Twine.h"
#include <stdexcept>

namespace mlir::ac {

struct ImportError : std::runtime_error {
  explicit ImportError(const llvm::Twine &message) : std::runtime_error(message.str()) {}
};

/// "node `name` (Conv)", for messages.
inline std::string describe(const ::onnx::NodeProto &node) {
  std::string op = (node.domain().empty() ? "" : node.domain() + ".") + node.op_type();
  return node.name().empty() ? "a node (" + op + ")" : "node `" + node.name() + "` (" + op + ")";
}

} // namespace mlir::ac

#endif // IMPORT_ONNX_IMPORTERROR_H
