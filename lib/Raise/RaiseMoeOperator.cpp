//===- RaiseMoeOperator.cpp - com.microsoft.MoE and QMoE ------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The operators become what they stand for: a routing rule, and one region for each expert that holds its products and
// its activation as ordinary operations on constant indices of the stacked weights. These fold, so that each expert's
// matrices are packed for its products, and a matrix of integers is made one of floats in its expert alone.
//
//===----------------------------------------------------------------------===//
#include "Raise/Passes.h"
#include "Raise/Remarks.h"
#include "Raise/Values.h"
#include "llvm/ADT/StringSet.h"
#include <limits>

namespace mlir::ac {
#define GEN_PASS_DEF_RAISEMOEOPERATOR
#include "Raise/Passes.h.inc"

namespace {

/// One matrix of all experts, [experts, rows, columns], and what belongs to it.
struct Projection {
  Value weight, scales, zeros, bias;
  int64_t rows = 0, columns = 0, bits = 0;
};

class MoeOperator {
public:
  explicit MoeOperator(Operation *op) : op(op), quantised(operatorOf(op) == "QMoE"), b(op), loc(op->getLoc()) {}
  bool match();
  void rewrite();
  std::string why;
  int64_t numExperts = 0;

private:
  bool refuse(const Twine &reason) {
    why = reason.str();
    return false;
  }
  Value input(unsigned i) const {
    return i < op->getNumOperands() && !isa<NoneType>(op->getOperand(i).getType()) ? op->getOperand(i) : Value();
  }
  double number(StringRef name, double otherwise) const {
    auto value = op->getAttrOfType<FloatAttr>(name);
    return value ? value.getValueAsDouble() : otherwise;
  }
  bool checkProjection(Projection &p, StringRef name, int64_t rows, int64_t columns);

  RankedTensorType rowsOf(int64_t width) const {
    SmallVector<int64_t> shape(rowsType.getShape());
    shape.back() = width;
    return RankedTensorType::get(shape, element);
  }
  Value route();
  Value slice(Value value, int64_t axis, int64_t begin, int64_t count, int64_t stride = 1);
  /// `count` numbers of `bits` each along the last dimension, from bytes.
  Value unpack(Value bytes, int64_t bits, int64_t count);
  Value expertOf(Value stack, int64_t expert);
  Value matrix(const Projection &p, int64_t expert);
  /// Rows times some of the expert's columns, with their bias.
  Value project(Value x, const Projection &p, int64_t expert, int64_t begin, int64_t count, int64_t stride = 1);
  Value elementwise(StringRef name, Value like, ValueRange operands, ArrayRef<NamedAttribute> attributes = {}) {
    return make(b, loc, name, like.getType(), operands, attributes);
  }
  Value scalar(double value) {
    auto type = RankedTensorType::get({}, element);
    return make(b, loc, "Constant", type, {},
                b.getNamedAttr("value", DenseElementsAttr::get(type, b.getFloatAttr(element, value))));
  }
  Value activate(Value x);
  Value gated(Value gate, Value linear);
  Value run(Value x, int64_t expert);

  Operation *op;
  bool quantised;
  OpBuilder b;
  Location loc;
  RankedTensorType rowsType;
  Type element;
  Projection first, second, third;
  StringRef activation;
  int64_t fusion = 0, inner = 0, width = 0, blockSize = 0;
};

bool MoeOperator::checkProjection(Projection &p, StringRef name, int64_t rows, int64_t columns) {
  auto type = rankedType(p.weight);
  p.rows = rows;
  p.columns = columns;
  auto has = [&](Value value, ArrayRef<int64_t> shape, StringRef what) {
    auto own = rankedType(value);
    if (own && own.getShape() == shape)
      return true;
    return refuse(name + " has " + what + " of another shape than the matrices ask for");
  };
  if (!has(p.weight, {numExperts, rows, columns * (quantised ? p.bits : 8) / 8}, "weights"))
    return false;
  if (p.bias && (!has(p.bias, {numExperts, rows}, "a bias") || rankedType(p.bias).getElementType() != element))
    return refuse(name + " has a bias that does not fit");
  if (!quantised)
    return type.getElementType() == element || refuse(name + " has weights of another type than the rows");
  if (!type.getElementType().isInteger(8) || !p.scales)
    return refuse(name + " has no weights of bytes with scales");
  if (!isa<FloatType>(rankedType(p.scales).getElementType()))
    return refuse(name + " has scales that are no floats");
  SmallVector<int64_t> scales{numExperts, rows}, zeros{numExperts, (rows * p.bits + 7) / 8};
  if (blockSize) {
    if (columns % blockSize)
      return refuse(name + " has rows that are no multiple of block_size");
    scales.push_back(columns / blockSize);
    zeros = {numExperts, rows, (columns / blockSize * p.bits + 7) / 8};
  }
  return has(p.scales, scales, "scales") && (!p.zeros || has(p.zeros, zeros, "zero points"));
}

bool MoeOperator::match() {
  for (Value operand : op->getOperands())
    if (!isa<NoneType>(operand.getType()) && !rankedType(operand))
      return refuse("an operand has an unknown rank");
  unsigned each = quantised ? 3 : 2;
  if (!input(0) || !input(1) || !input(2) || !input(2 + each))
    return refuse("an input is missing");
  rowsType = rankedType(input(0));
  element = rowsType.getElementType();
  first.weight = input(2);
  second.weight = input(2 + each);
  third.weight = input(2 + 2 * each);
  first.bias = input(1 + each);
  second.bias = input(1 + 2 * each);
  third.bias = input(1 + 3 * each);
  if (quantised) {
    Projection *all[] = {&first, &second, &third};
    for (auto [i, p] : llvm::enumerate(all)) {
      p->scales = input(3 + 3 * i);
      p->zeros = input(11 + i);
      p->bits = intOf(op, ("fc" + Twine(i + 1) + "_expert_weight_bits").str(), intOf(op, "expert_weight_bits", 4));
      if (p->weight && p->bits != 4 && p->bits != 8)
        return refuse("weights have " + Twine(p->bits) + " bits, expected 4 or 8");
    }
    for (unsigned i = 14; i < op->getNumOperands(); ++i)
      if (input(i))
        return refuse("it has input " + Twine(i) + ", expected rows, router, and weights with scales and zero points");
    auto kind = op->getAttrOfType<StringAttr>("quant_type");
    if (kind && kind.getValue() != "int")
      return refuse("quant_type is '" + kind.getValue() + "', expected int");
    if (intOf(op, "weights_prepacked", 0) == 1)
      return refuse("its weights are packed for another engine");
    blockSize = std::max<int64_t>(intOf(op, "block_size", 0), 0);
  }
  if (!isa<FloatType>(element) || rowsType.getRank() < 2)
    return refuse("its rows are no floating-point tensor of rank two or more");
  if (intOf(op, "use_sparse_mixer", 0))
    return refuse("use_sparse_mixer is set, expected routing by the largest values");
  if (intOf(op, "swiglu_limit_after_activation", 0))
    return refuse("swiglu_limit_after_activation is set");
  auto name = op->getAttrOfType<StringAttr>("activation_type");
  activation = name ? name.getValue() : "relu";
  static const llvm::StringSet<> known = {"relu", "gelu", "silu", "swiglu", "identity"};
  if (!known.contains(activation))
    return refuse("activation_type is '" + activation + "', expected relu, gelu, silu, swiglu or identity");
  fusion = activation == "swiglu" ? intOf(op, "swiglu_fusion", 0) : 0;
  if (fusion < 0 || fusion > 2 || (activation == "swiglu" && (fusion == 0) != bool(third.weight)))
    return refuse("swiglu_fusion is " + Twine(fusion) + (third.weight ? " with" : " without") + " a third matrix");

  auto type = rankedType(first.weight), secondType = rankedType(second.weight), router = rankedType(input(1));
  if (type.getRank() != 3 || !type.hasStaticShape() || secondType.getRank() != 3 || !secondType.hasStaticShape())
    return refuse("its matrices have no known size, expected [experts, rows, columns]");
  numExperts = type.getDimSize(0);
  width = type.getDimSize(2) * (quantised ? 8 / first.bits : 1);
  inner = secondType.getDimSize(2) * (quantised ? 8 / second.bits : 1);
  if (!checkProjection(first, "fc1", fusion ? 2 * inner : inner, width) ||
      !checkProjection(second, "fc2", width, inner) || (third.weight && !checkProjection(third, "fc3", inner, width)))
    return false;
  int64_t k = intOf(op, "k", 1);
  if (k < 1 || k > numExperts)
    return refuse("k is " + Twine(k) + ", expected 1 to " + Twine(numExperts));
  if (rowsType.getShape().back() != width || router.getRank() < 2 || router.getShape().back() != numExperts ||
      router.getElementType() != element || op->getResult(0).getType() != rowsType)
    return refuse("its rows or router do not fit its matrices");
  return true;
}

/// The router's values with the leading dimensions of the rows, routed.
Value MoeOperator::route() {
  int64_t rank = rowsType.getRank();
  RankedTensorType type = rowsOf(numExperts);
  Value shape = make(b, loc, "Shape", RankedTensorType::get({rank - 1}, b.getI64Type()), input(0),
                     {intAttribute(b, "start", 0), intAttribute(b, "end", rank - 1)});
  Value whole = make(b, loc, "Concat", RankedTensorType::get({rank}, b.getI64Type()),
                     {shape, makeInts(b, loc, {1}, numExperts)}, intAttribute(b, "axis", 0));
  Value scores = make(b, loc, "Reshape", type, {input(1), whole}, intAttribute(b, "allowzero", 1));
  Value limit = makeInts(b, loc, {}, intOf(op, "k", 1));
  // QMoE weighs its choices among themselves whatever the attribute says.
  bool normalizes = quantised || intOf(op, "normalize_routing_weights", 0);
  return RouteOp::create(b, loc, type, scores, limit, Value(), RouteRule::TopK,
                         normalizes ? RouteWeights::Normalized : RouteWeights::Softmax, /*capacity=*/0,
                         /*last_wins=*/true);
}

Value MoeOperator::slice(Value value, int64_t axis, int64_t begin, int64_t count, int64_t stride) {
  auto type = rankedType(value);
  if (begin == 0 && stride == 1 && count == type.getDimSize(axis))
    return value;
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = count;
  return make(b, loc, "Slice", RankedTensorType::get(shape, type.getElementType()),
              {value, makeInts(b, loc, {1}, begin), makeInts(b, loc, {1}, begin + (count - 1) * stride + 1),
               makeInts(b, loc, {1}, axis), makeInts(b, loc, {1}, stride)});
}

Value MoeOperator::unpack(Value bytes, int64_t bits, int64_t count) {
  auto type = rankedType(bytes);
  int64_t last = type.getRank() - 1;
  if (bits == 8)
    return slice(bytes, last, 0, count);
  // The lower half of a byte comes first.
  auto constant = [&](int64_t value) {
    auto one = RankedTensorType::get({}, type.getElementType());
    return make(b, loc, "Constant", one, {},
                b.getNamedAttr("value", DenseElementsAttr::get(one, b.getIntegerAttr(type.getElementType(), value))));
  };
  Value halves[] = {
      make(b, loc, "BitwiseAnd", type, {bytes, constant(15)}),
      make(b, loc, "BitShift", type, {bytes, constant(4)}, b.getNamedAttr("direction", b.getStringAttr("RIGHT")))};
  SmallVector<int64_t> shape(type.getShape());
  shape.push_back(1);
  for (Value &half : halves)
    half = make(b, loc, "Unsqueeze", RankedTensorType::get(shape, type.getElementType()),
                {half, makeInts(b, loc, {1}, last + 1)});
  shape.back() = 2;
  Value pairs = make(b, loc, "Concat", RankedTensorType::get(shape, type.getElementType()), halves,
                     intAttribute(b, "axis", last + 1));
  shape.pop_back();
  shape.back() *= 2;
  Value flat = make(b, loc, "Reshape", RankedTensorType::get(shape, type.getElementType()),
                    {pairs, makeInts(b, loc, {static_cast<int64_t>(shape.size())}, shape)});
  return slice(flat, last, 0, count);
}

Value MoeOperator::expertOf(Value stack, int64_t expert) {
  auto type = rankedType(stack);
  return make(b, loc, "Gather", RankedTensorType::get(type.getShape().drop_front(), type.getElementType()),
              {stack, makeInts(b, loc, {}, expert)}, intAttribute(b, "axis", 0));
}

/// [rows, columns], of the type of the rows that go in.
Value MoeOperator::matrix(const Projection &p, int64_t expert) {
  Value weight = expertOf(p.weight, expert);
  if (!quantised)
    return weight;
  weight = unpack(weight, p.bits, p.columns);
  Value scale = makeCast(b, loc, expertOf(p.scales, expert), element), zero;
  auto scaleType = rankedType(scale);
  Type byte = rankedType(weight).getElementType();
  if (p.zeros) {
    zero = unpack(expertOf(p.zeros, expert), p.bits, scaleType.getShape().back());
  } else {
    auto type = RankedTensorType::get(scaleType.getShape(), byte);
    zero = make(b, loc, "Constant", type, {},
                b.getNamedAttr("value", DenseElementsAttr::get(type, b.getIntegerAttr(byte, 1 << (p.bits - 1)))));
  }
  SmallVector<NamedAttribute> attributes{intAttribute(b, "axis", blockSize ? 1 : 0)};
  if (blockSize)
    attributes.push_back(intAttribute(b, "block_size", blockSize));
  return make(b, loc, "DequantizeLinear", RankedTensorType::get({p.rows, p.columns}, element), {weight, scale, zero},
              attributes);
}

Value MoeOperator::project(Value x, const Projection &p, int64_t expert, int64_t begin, int64_t count, int64_t stride) {
  Value part = slice(matrix(p, expert), 0, begin, count, stride);
  Value right = make(b, loc, "Transpose", RankedTensorType::get({p.columns, count}, element), part,
                     b.getNamedAttr("perm", b.getDenseI64ArrayAttr({1, 0})));
  Value product = make(b, loc, "MatMul", rowsOf(count), {x, right});
  if (!p.bias)
    return product;
  return elementwise("Add", product, {product, slice(expertOf(p.bias, expert), 0, begin, count, stride)});
}

Value MoeOperator::activate(Value x) {
  if (activation == "relu")
    return elementwise("Relu", x, x);
  if (activation == "gelu")
    return elementwise("Gelu", x, x, b.getNamedAttr("approximate", b.getStringAttr("tanh")));
  if (activation == "silu")
    return elementwise("Mul", x, {x, elementwise("Sigmoid", x, x)});
  return x;
}

Value MoeOperator::gated(Value gate, Value linear) {
  if (activation != "swiglu")
    return elementwise("Mul", gate, {activate(gate), linear});
  double alpha = number("activation_alpha", 1.0), beta = number("activation_beta", 0.0);
  double limit = number("swiglu_limit", std::numeric_limits<double>::infinity());
  if (limit < std::numeric_limits<double>::infinity()) {
    gate = elementwise("Min", gate, {gate, scalar(limit)});
    linear = elementwise("Max", linear, {elementwise("Min", linear, {linear, scalar(limit)}), scalar(-limit)});
  }
  Value slope = alpha == 1.0 ? gate : elementwise("Mul", gate, {gate, scalar(alpha)});
  Value opened = elementwise("Mul", gate, {gate, elementwise("Sigmoid", gate, slope)});
  if (beta != 0.0)
    linear = elementwise("Add", linear, {linear, scalar(beta)});
  return elementwise("Mul", gate, {opened, linear});
}

Value MoeOperator::run(Value x, int64_t expert) {
  Value hidden;
  if (fusion == 1)
    hidden = gated(project(x, first, expert, 0, inner, 2), project(x, first, expert, 1, inner, 2));
  else if (fusion == 2)
    hidden = gated(project(x, first, expert, 0, inner), project(x, first, expert, inner, inner));
  else if (third.weight)
    hidden = gated(project(x, first, expert, 0, inner), project(x, third, expert, 0, inner));
  else
    hidden = activate(project(x, first, expert, 0, inner));
  return project(hidden, second, expert, 0, width);
}

void MoeOperator::rewrite() {
  auto dispatch = MoeDispatchOp::create(b, loc, rowsType, route(), input(0), /*dense=*/false, numExperts);
  for (auto [expert, region] : llvm::enumerate(dispatch.getExperts())) {
    OpBuilder::InsertionGuard guard(b);
    Block *body = b.createBlock(&region);
    Value x = body->addArgument(rowsType, loc);
    YieldOp::create(b, loc, run(x, expert));
  }
  remarkRaised(loc, dispatch) << "ac.moe_dispatch of " << numExperts << " experts";
  op->getResult(0).replaceAllUsesWith(dispatch.getResult());
  op->erase();
}

struct RaiseMoeOperator : impl::RaiseMoeOperatorBase<RaiseMoeOperator> {
  void runOnOperation() override {
    SmallVector<Operation *> operators;
    getOperation().walk([&](Operation *op) {
      auto domain = op->getAttrOfType<StringAttr>("domain");
      if (domain && domain.getValue() == "com.microsoft" && (operatorOf(op) == "MoE" || operatorOf(op) == "QMoE"))
        operators.push_back(op);
    });
    for (Operation *op : operators) {
      MoeOperator experts(op);
      if (!experts.match()) {
        remarkRefused(op, "mixture of experts not raised", Reason(experts.why));
        continue;
      }
      experts.rewrite();
    }
  }
};

} // namespace
} // namespace mlir::ac
