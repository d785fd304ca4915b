//===- Tensors.h - ONNX tensors as attributes --------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef IMPORT_ONNX_TENSORS_H
#define IMPORT_ONNX_TENSORS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "onnx/onnx_pb.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>

namespace mlir::ac {

/// The files beside a model that hold its weights: mapped once each, never outside the model's folder.
class ExternalData {
public:
  /// `onFile` is told the name of each file, where it is set.
  explicit ExternalData(std::string baseDir, std::function<void(llvm::StringRef)> onFile = {})
      : baseDir(std::move(baseDir)), onFile(std::move(onFile)) {}

  struct Slice {
    std::shared_ptr<llvm::MemoryBuffer> file;
    llvm::StringRef bytes;
  };
  /// The bytes of a tensor with external data, whole as its shape and type demand. Throws `ImportError`.
  Slice get(const ::onnx::TensorProto &tensor);

private:
  std::string baseDir;
  std::function<void(llvm::StringRef)> onFile;
  llvm::StringMap<std::shared_ptr<llvm::MemoryBuffer>> files;
};

/// How many elements a tensor's dimensions say it has. Throws `ImportError` on negative ones or overflow.
int64_t getNumElements(const ::onnx::TensorProto &tensor);

/// The bytes that a tensor's elements take in `raw_data`.
int64_t getRawSize(const ::onnx::TensorProto &tensor);

/// Small tensors and splats become dense attributes. Others become resources whose blobs own the model's bytes or keep
/// the mapped file: nothing is copied. Sub-byte elements are unpacked, one per byte. Takes `raw_data` out of `tensor`.
/// Throws `ImportError` if dimensions, type and data disagree.
ElementsAttr tensorFromONNX(::onnx::TensorProto &tensor, llvm::StringRef name, ExternalData &external,
                            MLIRContext *context);

/// The dense form of a sparse constant.
ElementsAttr sparseTensorFromONNX(::onnx::SparseTensorProto &tensor, llvm::StringRef name, ExternalData &external,
                                  MLIRContext *context);

} // namespace mlir::ac

#endif // IMPORT_ONNX_TENSORS_H
