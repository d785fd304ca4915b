//===- NodeExpander.h - Nodes in place of a node -----------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What replaces operators that are not of the standard by some that are, in front of type inference, which does not
// know their results.
//
//===----------------------------------------------------------------------===//
#ifndef IMPORT_ONNX_NODEEXPANDER_H
#define IMPORT_ONNX_NODEEXPANDER_H

#include "Import/ONNX/ImportError.h"
#include "Import/ONNX/Prepare.h"
#include <unordered_map>
#include <unordered_set>

namespace mlir::ac {

class NodeExpander {
public:
  explicit NodeExpander(::onnx::ModelProto &model);
  virtual ~NodeExpander() = default;
  void run();

protected:
  using Strings = std::vector<std::string>;

  /// Adds nodes that compute what the node at hand does; false for those that stay.
  virtual bool expand() = 0;

  [[noreturn]] void refuse(const Twine &why) { throw ImportError(describe(*node) + " " + why); }

  bool isMicrosofts() const { return node->domain() == "com.microsoft"; }
  int opset() const { return getOpset(model, ""); }
  bool has(int i) { return i < node->input_size() && !node->input(i).empty(); }
  const std::string &input(int i);
  /// The name of an input, empty if it is left out.
  std::string optionalInput(int i) { return has(i) ? node->input(i) : std::string(); }
  bool wants(int output) { return output < node->output_size() && !node->output(output).empty(); }
  int64_t getInt(llvm::StringRef name, int64_t otherwise);
  float getFloat(llvm::StringRef name, float otherwise);
  std::string getString(llvm::StringRef name);
  const ::onnx::AttributeProto *attribute(llvm::StringRef name);

  /// A name that nothing has yet.
  std::string fresh(llvm::StringRef what);
  /// A node of the standard, which has the attributes `kept` of the node at hand where that has them.
  ::onnx::NodeProto &add(const char *op, const Strings &inputs, const std::string &output, const Strings &kept = {});
  /// The same with a result of its own.
  std::string make(const char *op, const Strings &inputs, const Strings &kept = {}) {
    std::string result = fresh(op);
    add(op, inputs, result, kept);
    return result;
  }
  /// A node `Constant` with this result; its tensor, which is yet to be filled.
  ::onnx::TensorProto &addConstant(const std::string &name, int type);
  static void setInt(::onnx::NodeProto &made, const char *name, int64_t value);
  static void setFloat(::onnx::NodeProto &made, const char *name, float value);
  static void setString(::onnx::NodeProto &made, const char *name, const std::string &value);

  ::onnx::ModelProto &model;
  const ::onnx::NodeProto *node = nullptr;    // at hand
  std::unordered_map<std::string, int> types; // TensorProto.DataType, where the file says it
  std::unordered_map<std::string, int> ranks; // of initialisers

private:
  void note(const std::string &name, int type);

  std::unordered_set<std::string> taken;
  ::onnx::GraphProto *into = nullptr;
  unsigned counter = 0;
};

} // namespace mlir::ac

#endif // IMPORT_ONNX_NODEEXPANDER_H
