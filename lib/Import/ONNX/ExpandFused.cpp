//===- ExpandFused.cpp - Operators of ONNX Runtime's fusions --------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Exporters of language models, and models that ONNX Runtime's optimiser has saved, have operators that say several of
// the standard in one. They are taken apart again: what belongs together is found where all models need it. Operators
// of the standard that the model's opset does not have yet are spelled out.
//
//===----------------------------------------------------------------------===//
#include "Import/ONNX/NodeExpander.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mlir::ac;
using ::onnx::AttributeProto;
using ::onnx::ModelProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;

namespace {

/// The first opsets with an operator, or with its axes as an input.
constexpr int kLayerNormalization = 17, kRMSNormalization = 23, kGelu = 20, kCastLike = 15, kEinsum = 12,
              kQuantizeLinear = 11, kMeanAxesInput = 18, kSumAxesInput = 13, kSliceInputs = 10;

class FusedExpander : public NodeExpander {
public:
  using NodeExpander::NodeExpander;

private:
  //===--- Constants ---------------------------------------------------------===//
  /// `value` in the type of `like`.
  std::string number(float value, const std::string &like) {
    std::string name = fresh("number");
    addConstant(name, TensorProto::FLOAT).add_float_data(value);
    auto type = types.find(like);
    if (opset() < kCastLike || (type != types.end() && type->second == TensorProto::FLOAT))
      return name;
    return make("CastLike", {name, like});
  }
  std::string integers(std::initializer_list<int64_t> values) {
    std::string name = fresh("integers");
    TensorProto &tensor = addConstant(name, TensorProto::INT64);
    tensor.add_dims(values.size());
    for (int64_t value : values)
      tensor.add_int64_data(value);
    return name;
  }
  std::string cast(const std::string &tensor, int type) {
    std::string result = fresh("cast");
    setInt(add("Cast", {tensor}, result), "to", type);
    types[result] = type;
    return result;
  }

  std::string sumOf(const std::string &tensor, int other) {
    return has(other) ? make("Add", {tensor, node->input(other)}) : tensor;
  }
  /// Over the last axis, or over `axis`, which then goes.
  void reduce(const char *op, const std::string &tensor, const std::string &result, int64_t axis, bool keep,
              int axesInput) {
    if (opset() >= axesInput)
      return setInt(add(op, {tensor, integers({axis})}, result), "keepdims", keep);
    NodeProto &made = add(op, {tensor}, result);
    setInt(made, "keepdims", keep);
    AttributeProto &axes = *made.add_attribute();
    axes.set_name("axes");
    axes.set_type(AttributeProto::INTS);
    axes.add_ints(axis);
  }
  std::string mean(const std::string &tensor) {
    std::string result = fresh("mean");
    reduce("ReduceMean", tensor, result, -1, true, kMeanAxesInput);
    return result;
  }

  //===--- Normalisations ------------------------------------------------------===//
  /// Refuses results that are there for training alone.
  void refuseStatistics(int first, int last) {
    for (int i = first; i <= last; ++i)
      if (wants(i))
        refuse("gives output " + Twine(i) + " (`" + node->output(i) +
               "`), a statistic for training, which is not computed: export the model for inference");
  }
  void requireLastAxis() {
    if (int64_t axis = getInt("axis", -1); axis != -1)
      refuse("has axis = " + Twine(axis) + " in a model of opset " + Twine(opset()) +
             " of ai.onnx, expected -1: raise the opset to 17");
  }
  /// Computes `body` of `tensor` in f32 where the parameters `like` are of a smaller type.
  void inFloats(const std::string &tensor, const std::string &like, const std::string &result,
                llvm::function_ref<void(const std::string &, const std::string &, const std::string &)> body) {
    auto type = types.find(like);
    if (type == types.end() || (type->second != TensorProto::FLOAT16 && type->second != TensorProto::BFLOAT16))
      return body(tensor, like, result);
    std::string wide = fresh("wide");
    body(cast(tensor, TensorProto::FLOAT), cast(like, TensorProto::FLOAT), wide);
    setInt(add("Cast", {wide}, result), "to", type->second);
  }
  void normalize(const std::string &tensor, const std::string &scale, const std::string &bias,
                 const std::string &result, float epsilon) {
    if (opset() >= kLayerNormalization) {
      Strings inputs{tensor, scale};
      if (!bias.empty())
        inputs.push_back(bias);
      return setFloat(add("LayerNormalization", inputs, result), "epsilon", epsilon);
    }
    inFloats(tensor, scale, result, [&](const std::string &x, const std::string &factor, const std::string &to) {
      std::string rest = make("Sub", {x, mean(x)}), variance = mean(make("Mul", {rest, rest}));
      std::string deviation = make("Sqrt", {make("Add", {variance, number(epsilon, x)})});
      std::string quotient = make("Div", {rest, deviation});
      if (bias.empty())
        return (void)add("Mul", {quotient, factor}, to);
      bool isWide = factor == scale;
      add("Add", {make("Mul", {quotient, factor}), isWide ? bias : cast(bias, TensorProto::FLOAT)}, to);
    });
  }
  void normalizeSimply(const std::string &tensor, const std::string &scale, const std::string &result, float epsilon) {
    if (opset() >= kRMSNormalization)
      return setFloat(add("RMSNormalization", {tensor, scale}, result), "epsilon", epsilon);
    inFloats(tensor, scale, result, [&](const std::string &x, const std::string &factor, const std::string &to) {
      std::string square = mean(make("Mul", {x, x}));
      std::string root = make("Sqrt", {make("Add", {square, number(epsilon, x)})});
      add("Mul", {make("Div", {x, root}), factor}, to);
    });
  }
  /// The sum of input, skip and bias: output 3 where it is wanted.
  std::string skipped(int bias) {
    refuseStatistics(1, 2);
    std::string sum = make("Add", {input(0), input(1)});
    if (!has(bias) && !wants(3))
      return sum;
    std::string result = wants(3) ? node->output(3) : fresh("sum");
    if (has(bias))
      add("Add", {sum, node->input(bias)}, result);
    else
      add("Identity", {sum}, result);
    return result;
  }
  void expandSkipLayerNormalization() {
    std::string sum = skipped(4);
    normalize(sum, input(2), optionalInput(3), node->output(0), getFloat("epsilon", 1e-12f));
  }
  void expandSkipSimplifiedLayerNormalization() {
    std::string sum = skipped(3);
    normalizeSimply(sum, input(2), node->output(0), getFloat("epsilon", 1e-12f));
  }
  void expandSimplifiedLayerNormalization() {
    refuseStatistics(1, 1);
    requireLastAxis();
    normalizeSimply(input(0), input(1), node->output(0), getFloat("epsilon", 1e-5f));
  }
  void expandLayerNormalization() {
    refuseStatistics(1, 2);
    requireLastAxis();
    normalize(input(0), input(1), optionalInput(2), node->output(0), getFloat("epsilon", 1e-5f));
  }

  /// Sums of rows of up to three tables, normalised; and the number of tokens that the mask leaves.
  void expandEmbedLayerNormalization() {
    if (getInt("mask_index_type", 1) != 1 && wants(1))
      refuse("has mask_index_type = " + Twine(getInt("mask_index_type", 1)) + ", expected 1");
    std::string sum = make("Gather", {input(2), input(0)}), positions = input(3);
    if (has(8)) {
      positions = make("Gather", {positions, node->input(8)});
    } else {
      if (opset() < kSliceInputs)
        refuse("is in a model of opset " + Twine(opset()) + " of ai.onnx, expected 10 or more");
      // The first as many as there are tokens.
      std::string tokens = make("Slice", {make("Shape", {input(0)}), integers({1}), integers({2})});
      positions = make("Slice", {positions, integers({0}), tokens, integers({0})});
    }
    sum = make("Add", {sum, positions});
    if (has(4))
      sum = make("Add", {sum, make("Gather", {node->input(4), input(1)})});
    if (wants(2))
      add("Identity", {sum}, node->output(2));
    normalize(sum, input(5), input(6), node->output(0), getFloat("epsilon", 1e-12f));
    if (!wants(1))
      return;
    if (!has(7))
      refuse("gives output 1 (`" + node->output(1) + "`), the tokens of each entry, but has no mask to count them by");
    reduce("ReduceSum", node->input(7), node->output(1), 1, false, kSumAxesInput);
  }

  //===--- Activations -----------------------------------------------------===//
  /// Of `x` by the error function, or by the hyperbolic tangent.
  void gelu(const std::string &x, bool isApproximate) {
    const std::string &result = node->output(0);
    if (opset() >= kGelu) {
      NodeProto &made = add("Gelu", {x}, result);
      if (!isApproximate)
        return;
      return setString(made, "approximate", "tanh");
    }
    std::string half = make("Mul", {x, number(0.5f, x)}), inner;
    if (isApproximate) {
      // sqrt(2 / pi) * (x + 0.044715 x^3)
      std::string slope = make("Mul", {make("Mul", {x, x}), number(0.035677408f, x)});
      inner = make("Tanh", {make("Mul", {x, make("Add", {slope, number(0.79788456f, x)})})});
    } else {
      inner = make("Erf", {make("Mul", {x, number(0.70710678f, x)})});
    }
    add("Mul", {half, make("Add", {inner, number(1, x)})}, result);
  }
  void expandQuickGelu() {
    std::string scaled = make("Mul", {input(0), number(getFloat("alpha", 1.702f), input(0))});
    add("Mul", {input(0), make("Sigmoid", {scaled})}, node->output(0));
  }

  /// The activation of a fused product, whose parameters are those attributes of the standard's operator.
  void activate(const std::string &x, const std::string &name, ArrayRef<float> parameters) {
    SmallVector<const char *, 2> meant = llvm::StringSwitch<SmallVector<const char *, 2>>(name)
                                             .Case("LeakyRelu", {"alpha"})
                                             .Case("HardSigmoid", {"alpha", "beta"})
                                             .Default({});
    if (name == "Clip") {
      if (parameters.size() != 2)
        refuse("has " + Twine(parameters.size()) + " parameters of its activation Clip, expected 2");
      if (opset() < 11)
        refuse("is in a model of opset " + Twine(opset()) + " of ai.onnx, expected 11 or more");
      add("Clip", {x, number(parameters[0], x), number(parameters[1], x)}, node->output(0));
      return;
    }
    if (meant.empty() && !llvm::is_contained({"Relu", "Tanh", "Sigmoid"}, name))
      refuse("has the activation '" + name + "', expected Relu, Tanh, Sigmoid, LeakyRelu, HardSigmoid or Clip");
    if (parameters.size() < meant.size())
      refuse("has " + Twine(parameters.size()) + " parameters of its activation " + name + ", expected " +
             Twine(meant.size()));
    NodeProto &made = add(name.c_str(), {x}, node->output(0));
    for (auto [attribute, value] : llvm::zip(meant, parameters))
      setFloat(made, attribute, value);
  }

  //===--- Products ----------------------------------------------------------===//
  void expandFusedMatMul() {
    if (getInt("transBatchA", 0) || getInt("transBatchB", 0))
      refuse("has transBatchA or transBatchB, expected neither: export the model without ONNX Runtime's fusions");
    std::string lhs = input(0), rhs = input(1);
    bool turnsLhs = getInt("transA", 0), turnsRhs = getInt("transB", 0);
    float alpha = getFloat("alpha", 1);
    std::string product = alpha == 1 ? node->output(0) : fresh("product");
    if (!turnsLhs && !turnsRhs) {
      add("MatMul", {lhs, rhs}, product);
    } else {
      if (opset() < kEinsum)
        refuse("is in a model of opset " + Twine(opset()) + " of ai.onnx, expected 12 or more");
      // How many dimensions there are is not known here.
      std::string equation =
          std::string(turnsLhs ? "...ki" : "...ik") + "," + (turnsRhs ? "...jk" : "...kj") + "->...ij";
      setString(add("Einsum", {lhs, rhs}, product), "equation", equation);
    }
    if (alpha != 1)
      add("Mul", {product, number(alpha, product)}, node->output(0));
  }
  void expandFusedGemm() {
    Strings inputs{input(0), input(1)};
    if (has(2))
      inputs.push_back(node->input(2));
    std::string product = make("Gemm", inputs, {"alpha", "beta", "transA", "transB"});
    activate(product, getString("activation"), {getFloat("activation_alpha", 0), getFloat("activation_beta", 0)});
  }
  void expandFusedConv() {
    Strings inputs{input(0), input(1)};
    if (has(2))
      inputs.push_back(node->input(2));
    std::string result = make("Conv", inputs, {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"});
    std::string activation = getString("activation");
    if (activation.empty())
      return (void)(has(3) ? add("Add", {result, node->input(3)}, node->output(0))
                           : add("Identity", {result}, node->output(0)));
    const AttributeProto *found = attribute("activation_params");
    SmallVector<float> parameters;
    if (found)
      parameters.assign(found->floats().begin(), found->floats().end());
    activate(sumOf(result, 3), activation, parameters);
  }
  /// The sums of `MatMulInteger` times both scales, and a bias.
  void scaledProduct(Strings operands, const std::string &lhsScale, const std::string &rhsScale, int bias) {
    while (operands.back().empty())
      operands.pop_back();
    std::string sums = cast(make("MatMulInteger", operands), TensorProto::FLOAT);
    Strings scaled{sums, make("Mul", {lhsScale, rhsScale})};
    if (!has(bias))
      return (void)add("Mul", scaled, node->output(0));
    add("Add", {make("Mul", scaled), node->input(bias)}, node->output(0));
  }
  void requireIntegers() {
    if (opset() < kQuantizeLinear)
      refuse("is in a model of opset " + Twine(opset()) + " of ai.onnx, expected 11 or more");
  }
  void expandMatMulIntegerToFloat() {
    requireIntegers();
    scaledProduct({input(0), input(1), optionalInput(4), optionalInput(5)}, input(2), input(3), 6);
  }
  void expandDynamicQuantizeMatMul() {
    requireIntegers();
    std::string bytes = fresh("bytes"), scale = fresh("scale"), zero = fresh("zero");
    NodeProto &quantize = add("DynamicQuantizeLinear", {input(0)}, bytes);
    quantize.add_output(scale);
    quantize.add_output(zero);
    scaledProduct({bytes, input(1), zero, optionalInput(3)}, scale, input(2), 4);
  }

  /// False for operators that this file does not know.
  bool expand() override {
    if (!isMicrosofts() && !node->domain().empty())
      return false;
    using Method = void (FusedExpander::*)();
    Method method = nullptr;
    llvm::StringRef op = node->op_type();
    if (op == "SimplifiedLayerNormalization")
      method = &FusedExpander::expandSimplifiedLayerNormalization;
    else if (!isMicrosofts())
      method = op == "LayerNormalization" && opset() < kLayerNormalization ? &FusedExpander::expandLayerNormalization
                                                                           : nullptr;
    else
      method = llvm::StringSwitch<Method>(op)
                   .Case("SkipLayerNormalization", &FusedExpander::expandSkipLayerNormalization)
                   .Case("SkipSimplifiedLayerNormalization", &FusedExpander::expandSkipSimplifiedLayerNormalization)
                   .Case("EmbedLayerNormalization", &FusedExpander::expandEmbedLayerNormalization)
                   .Case("QuickGelu", &FusedExpander::expandQuickGelu)
                   .Cases({"FusedMatMul", "TransposeMatMul"}, &FusedExpander::expandFusedMatMul)
                   .Case("FusedGemm", &FusedExpander::expandFusedGemm)
                   .Case("FusedConv", &FusedExpander::expandFusedConv)
                   .Case("MatMulIntegerToFloat", &FusedExpander::expandMatMulIntegerToFloat)
                   .Case("DynamicQuantizeMatMul", &FusedExpander::expandDynamicQuantizeMatMul)
                   .Default(nullptr);
    bool isGelu = isMicrosofts() && llvm::is_contained({"Gelu", "FastGelu", "BiasGelu"}, op);
    if (!method && !isGelu)
      return false;
    if (!wants(0))
      refuse("has no output 0, which its operator gives");
    if (isGelu)
      gelu(sumOf(input(0), 1), op == "FastGelu");
    else
      (this->*method)();
    return true;
  }
};

} // namespace

void mlir::ac::expandFused(ModelProto &model) { FusedExpander(model).run(); }
