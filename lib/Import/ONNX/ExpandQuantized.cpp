//===- ExpandQuantized.cpp - Operators on quantised tensors ---------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ONNX Runtime's static quantiser writes operators of com.microsoft that take and give bytes with their scales and zero
// points. Each says the same as operators of the standard between `DequantizeLinear` and `QuantizeLinear`. As such they
// come in here, in front of type inference, which does not know their results, and of all that is done to
// quantised models of the standard.
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/NodeExpander.h"

using namespace mlir;
using namespace mlir::ac;
using ::onnx::AttributeProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

namespace {

class QuantizedExpander : public NodeExpander {
public:
  using NodeExpander::NodeExpander;

private:
  std::string dequantised(const std::string &tensor, const std::string &scale, const std::string &zero,
                          std::optional<int64_t> axis = {}) {
    Strings inputs{tensor, scale};
    if (!zero.empty())
      inputs.push_back(zero);
    std::string result = fresh("floats");
    NodeProto &made = add("DequantizeLinear", inputs, result);
    if (axis && this->opset() >= 13)
      setInt(made, "axis", *axis);
    return result;
  }
  /// Inputs from `first` on: bytes, scale, zero point.
  std::string dequantised(int first, std::optional<int64_t> axis = {}) {
    return dequantised(input(first), input(first + 1), optionalInput(first + 2), axis);
  }

  /// Rounds `floats` to the node's result. `like` is an input of the result's type, which tells the type of a zero
  /// point that is left out.
  void quantise(const std::string &floats, int scale, int like) {
    std::string zero = optionalInput(scale + 1);
    if (zero.empty()) {
      auto type = types.find(input(like));
      if (type == types.end())
        refuse("has no zero point for its result, whose type nothing else tells: give it one of zero");
      zero = fresh("zero");
      addConstant(zero, type->second).add_int32_data(0);
    }
    add("QuantizeLinear", {floats, input(scale), zero}, node->output(0));
    if (auto type = types.find(zero); type != types.end())
      types[node->output(0)] = type->second;
  }

  /// An operator of floats on `operands`, and its result in bytes.
  void wrap(const char *op, const Strings &operands, int scale, int like, const Strings &kept = {}) {
    std::string result = fresh("result");
    add(op, operands, result, kept);
    quantise(result, scale, like);
  }

  void expandConcat() {
    if (node->input_size() < 5 || node->input_size() % 3 != 2)
      refuse("has " + Twine(node->input_size()) +
             " inputs, expected a scale, a zero point, and three for each tensor: bytes, scale, zero point");
    Strings parts;
    for (int i = 2; i < node->input_size(); i += 3)
      parts.push_back(dequantised(i));
    wrap("Concat", parts, 0, 2, {"axis"});
  }

  void expandGemm() {
    // Weights may have a scale for each column.
    bool transposed = getInt("transB", 0) != 0;
    Strings operands{dequantised(0), dequantised(3, transposed ? 0 : 1)};
    for (const AttributeProto &attribute : node->attribute())
      if (attribute.name() == "alpha" && attribute.f() != 1.0f && has(6))
        refuse("has an alpha of " + std::to_string(attribute.f()) + " and a bias, expected 1: multiply a scale by it");
    if (has(6)) {
      std::string scale = fresh("scale");
      add("Mul", {input(1), input(4)}, scale);
      auto rank = ranks.find(input(6));
      operands.push_back(dequantised(input(6), scale, "", rank == ranks.end() ? 0 : rank->second - 1));
    }
    Strings kept{"alpha", "transA", "transB"};
    if (has(7))
      return wrap("Gemm", operands, 7, 0, kept);
    add("Gemm", operands, node->output(0), kept);
  }

  void requireChannelsFirst() {
    if (getInt("channels_last", 0) != 0)
      refuse("has channels_last = 1, expected 0: quantise the model as it was exported, without ONNX Runtime's layout "
             "optimiser");
  }

  /// False for operators that this file does not know.
  bool expand() override {
    llvm::StringRef op = node->op_type();
    bool known = isMicrosofts() && llvm::is_contained({"QLinearAdd", "QLinearMul", "QLinearWhere", "QLinearSigmoid",
                                                       "QLinearLeakyRelu", "QLinearSoftmax", "QLinearGlobalAveragePool",
                                                       "QLinearAveragePool", "QLinearConcat", "QGemm"},
                                                      op);
    if (!known)
      return false;
    if (node->output_size() != 1 || node->output(0).empty())
      refuse("has " + Twine(node->output_size()) + " outputs, expected 1");
    if (int opset = this->opset(); opset < 10)
      refuse("is in a model of opset " + Twine(opset) + " of ai.onnx, expected 10 or more, which has QuantizeLinear");
    if (op == "QLinearAdd" || op == "QLinearMul")
      wrap(op == "QLinearAdd" ? "Add" : "Mul", {dequantised(0), dequantised(3)}, 6, 0);
    else if (op == "QLinearWhere")
      wrap("Where", {input(0), dequantised(1), dequantised(4)}, 7, 1);
    else if (op == "QLinearSigmoid")
      wrap("Sigmoid", {dequantised(0)}, 3, 0);
    else if (op == "QLinearLeakyRelu")
      wrap("LeakyRelu", {dequantised(0)}, 3, 0, {"alpha"});
    else if (op == "QLinearSoftmax")
      expandSoftmax();
    else if (op == "QLinearConcat")
      expandConcat();
    else if (op == "QGemm")
      expandGemm();
    else {
      requireChannelsFirst();
      if (op == "QLinearGlobalAveragePool")
        wrap("GlobalAveragePool", {dequantised(0)}, 3, 0);
      else
        wrap("AveragePool", {dequantised(0)}, 3, 0,
             {"auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides"});
    }
    return true;
  }

  /// Before opset 13 all axes from `axis` on are one.
  void expandSoftmax() {
    int64_t meant = getInt("opset", 13), opset = this->opset();
    if ((meant < 13) != (opset < 13))
      refuse("is a Softmax of opset " + Twine(meant) + " in a model of opset " + Twine(opset) +
             ": before 13 it means something else; expected both on one side");
    std::string operand = dequantised(0), result = fresh("result");
    NodeProto &softmax = add("Softmax", {operand}, result, {"axis"});
    if (softmax.attribute_size() == 0)
      setInt(softmax, "axis", -1); // the default of ONNX Runtime's operator at any opset
    quantise(result, 3, 0);
  }
};

} // namespace

void mlir::ac::expandQuantized(ModelProto &model) { QuantizedExpander(model).run(); }
