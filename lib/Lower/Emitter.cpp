//===- Emitter.cpp - Dimensions, scalars and small tensors ----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Emitter.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"

using namespace mlir;
using namespace mlir::ac;

Emitter::Emitter(MLIRContext *context) : ImplicitLocOpBuilder(UnknownLoc::get(context), context) {}

//===----------------------------------------------------------------------===//
// Dimensions
//===----------------------------------------------------------------------===//

/// Whether `value` may be used where the builder stands. Everything is appended, so a value in this block or in a
/// block around it comes before.
bool Emitter::visible(Value value) {
  Block *block = getInsertionBlock();
  for (Block *scope = block; scope; scope = scope->getParentOp() ? scope->getParentOp()->getBlock() : nullptr)
    if (value.getParentBlock() == scope)
      return true;
  return false;
}

Value Emitter::asValue(OpFoldResult size) {
  if (auto constant = getConstantIntValue(size))
    return constantIndex(*constant);
  return cast<Value>(size);
}

OpFoldResult Emitter::memo(StringRef kind, OpFoldResult a, OpFoldResult b,
                           llvm::function_ref<Value(Value, Value)> make) {
  auto name = [](OpFoldResult x) {
    auto constant = getConstantIntValue(x);
    return constant ? "c" + std::to_string(*constant)
                    : "v" + std::to_string(reinterpret_cast<uintptr_t>(cast<Value>(x).getAsOpaquePointer()));
  };
  std::string x = name(a), y = name(b);
  bool commutative = kind == "add" || kind == "mul" || kind == "min" || kind == "max";
  if (commutative && y < x)
    std::swap(x, y);
  SmallVector<Value> &candidates = memoTable[(kind + ":" + x + ":" + y).str()];
  for (Value candidate : candidates)
    if (visible(candidate))
      return candidate;
  Value value = make(asValue(a), asValue(b));
  candidates.push_back(value);
  return value;
}

OpFoldResult Emitter::add(OpFoldResult a, OpFoldResult b) {
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca && cb)
    return getIndexAttr(*ca + *cb);
  if (ca == 0)
    return b;
  if (cb == 0)
    return a;
  // (x - y) + y and (x + c1) + c2
  auto undo = [&](OpFoldResult whole, OpFoldResult part) -> OpFoldResult {
    auto value = dyn_cast<Value>(whole);
    if (auto op = value ? value.getDefiningOp<arith::SubIOp>() : nullptr)
      if (same(op.getRhs(), part))
        return op.getLhs();
    return {};
  };
  if (auto x = undo(a, b))
    return x;
  if (auto x = undo(b, a))
    return x;
  return memo("add", a, b, [&](Value x, Value y) { return arith::AddIOp::create(*this, x, y).getResult(); });
}

OpFoldResult Emitter::sub(OpFoldResult a, OpFoldResult b) {
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca && cb)
    return getIndexAttr(*ca - *cb);
  if (cb == 0)
    return a;
  if (same(a, b))
    return getIndexAttr(0);
  if (auto value = dyn_cast<Value>(a))
    if (auto op = value.getDefiningOp<arith::AddIOp>()) {
      if (same(op.getRhs(), b))
        return op.getLhs();
      if (same(op.getLhs(), b))
        return op.getRhs();
    }
  return memo("sub", a, b, [&](Value x, Value y) { return arith::SubIOp::create(*this, x, y).getResult(); });
}

OpFoldResult Emitter::mul(OpFoldResult a, OpFoldResult b) {
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca && cb)
    return getIndexAttr(*ca * *cb);
  if (ca == 1 || cb == 0)
    return b;
  if (cb == 1 || ca == 0)
    return a;
  return memo("mul", a, b, [&](Value x, Value y) { return arith::MulIOp::create(*this, x, y).getResult(); });
}

OpFoldResult Emitter::floorDiv(OpFoldResult a, OpFoldResult b) {
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca && cb && *cb > 0)
    return getIndexAttr(llvm::divideFloorSigned(*ca, *cb));
  if (cb == 1)
    return a;
  return memo("floordiv", a, b,
              [&](Value x, Value y) { return arith::FloorDivSIOp::create(*this, x, y).getResult(); });
}

OpFoldResult Emitter::ceilDiv(OpFoldResult a, OpFoldResult b) {
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca && cb && *cb > 0)
    return getIndexAttr(llvm::divideCeilSigned(*ca, *cb));
  if (cb == 1)
    return a;
  return memo("ceildiv", a, b, [&](Value x, Value y) { return arith::CeilDivSIOp::create(*this, x, y).getResult(); });
}

OpFoldResult Emitter::min(OpFoldResult a, OpFoldResult b) {
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca && cb)
    return getIndexAttr(std::min(*ca, *cb));
  if (same(a, b))
    return a;
  return memo("min", a, b, [&](Value x, Value y) { return arith::MinSIOp::create(*this, x, y).getResult(); });
}

OpFoldResult Emitter::max(OpFoldResult a, OpFoldResult b) {
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca && cb)
    return getIndexAttr(std::max(*ca, *cb));
  if (same(a, b))
    return a;
  return memo("max", a, b, [&](Value x, Value y) { return arith::MaxSIOp::create(*this, x, y).getResult(); });
}

OpFoldResult Emitter::product(ArrayRef<OpFoldResult> sizes) {
  int64_t constant = 1;
  SmallVector<Value> factors;
  for (OpFoldResult size : sizes) {
    if (auto value = getConstantIntValue(size))
      constant *= *value;
    else
      factors.push_back(cast<Value>(size));
  }
  if (constant == 0)
    return getIndexAttr(0);
  OpFoldResult result = getIndexAttr(1);
  for (Value factor : factors)
    result = mul(result, factor);
  return mul(result, getIndexAttr(constant));
}

OpFoldResult Emitter::quotient(ArrayRef<OpFoldResult> of, ArrayRef<OpFoldResult> by) {
  // Split both into a constant and symbolic factors (products are taken apart), then cancel.
  auto split = [](ArrayRef<OpFoldResult> sizes, SmallVectorImpl<Value> &factors) {
    int64_t constant = 1;
    SmallVector<OpFoldResult> work(sizes.begin(), sizes.end());
    while (!work.empty()) {
      OpFoldResult size = work.pop_back_val();
      if (auto value = getConstantIntValue(size)) {
        constant *= *value;
        continue;
      }
      Value value = cast<Value>(size);
      if (auto op = value.getDefiningOp<arith::MulIOp>()) {
        work.push_back(op.getLhs());
        work.push_back(op.getRhs());
      } else {
        factors.push_back(value);
      }
    }
    return constant;
  };
  SmallVector<Value> top, bottom;
  int64_t topConstant = split(of, top), bottomConstant = split(by, bottom);
  for (auto it = bottom.begin(); it != bottom.end();) {
    auto found = llvm::find(top, *it);
    if (found == top.end()) {
      ++it;
      continue;
    }
    top.erase(found);
    it = bottom.erase(it);
  }
  if (topConstant == 0)
    return getIndexAttr(0);
  if (bottomConstant != 0 && topConstant % bottomConstant == 0) {
    topConstant /= bottomConstant;
    bottomConstant = 1;
  }
  Dims above = llvm::to_vector_of<OpFoldResult>(top), below = llvm::to_vector_of<OpFoldResult>(bottom);
  above.push_back(getIndexAttr(topConstant));
  below.push_back(getIndexAttr(bottomConstant));
  OpFoldResult divisor = product(below);
  if (!getConstantIntValue(divisor))
    divisor = max(divisor, getIndexAttr(1)); // an empty tensor: any answer will do, a trap will not
  else if (getConstantIntValue(divisor) == 0)
    return getIndexAttr(0);
  return floorDiv(product(above), divisor);
}

bool Emitter::same(OpFoldResult a, OpFoldResult b) {
  auto ca = getConstantIntValue(a), cb = getConstantIntValue(b);
  if (ca || cb)
    return ca && cb && *ca == *cb;
  return cast<Value>(a) == cast<Value>(b);
}

bool Emitter::same(ArrayRef<OpFoldResult> a, ArrayRef<OpFoldResult> b) {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [](auto pair) {
           return same(std::get<0>(pair), std::get<1>(pair));
         });
}

/// Sums, differences and products, in 64 bits, of dimensions and constants.
static bool isDimensionArithmetic(Value integer, unsigned depth) {
  Operation *op = integer.getDefiningOp();
  if (!op || depth == 0 || !integer.getType().isInteger(64) || !isa<arith::AddIOp, arith::SubIOp, arith::MulIOp>(op))
    return false;
  return llvm::all_of(op->getOperands(), [&](Value operand) {
    auto cast = operand.getDefiningOp<arith::IndexCastOp>();
    return matchPattern(operand, m_Constant()) || (cast && cast.getIn().getType().isIndex()) ||
           isDimensionArithmetic(operand, depth - 1);
  });
}

OpFoldResult Emitter::asDimension(Value integer) {
  APInt constant;
  if (matchPattern(integer, m_ConstantInt(&constant)))
    return getIndexAttr(constant.getSExtValue());
  if (integer.getType().isIndex())
    return integer;
  if (auto op = integer.getDefiningOp<arith::IndexCastOp>())
    if (op.getIn().getType().isIndex())
      return op.getIn();
  // Widening or narrowing a dimension and back gives the dimension: they fit in any type that a shape is kept in.
  if (auto op = integer.getDefiningOp<arith::ExtSIOp>())
    return asDimension(op.getIn());
  if (auto op = integer.getDefiningOp<arith::TruncIOp>())
    if (auto cast = op.getIn().getDefiningOp<arith::IndexCastOp>(); cast && cast.getIn().getType().isIndex())
      return cast.getIn();
  // Arithmetic that a model does on dimensions, done on indices: only so do sizes stay comparable.
  if (isDimensionArithmetic(integer, /*depth=*/6)) {
    Operation *op = integer.getDefiningOp();
    OpFoldResult a = asDimension(op->getOperand(0)), b = asDimension(op->getOperand(1));
    return isa<arith::AddIOp>(op) ? add(a, b) : isa<arith::SubIOp>(op) ? sub(a, b) : mul(a, b);
  }
  return memo("index_cast", integer, getIndexAttr(0), [&](Value x, Value) {
    return arith::IndexCastOp::create(*this, getIndexType(), x).getResult();
  });
}

Value Emitter::asInteger(OpFoldResult size, Type type) {
  if (auto value = getConstantIntValue(size))
    return constant(type, *value);
  if (type.isIndex())
    return cast<Value>(size);
  OpFoldResult result = memo(type.isInteger(64) ? "to_i64" : "to_i" + std::to_string(type.getIntOrFloatBitWidth()),
                             size, getIndexAttr(0), [&](Value x, Value) {
                               return arith::IndexCastOp::create(*this, type, x).getResult();
                             });
  return cast<Value>(result);
}

Dims Emitter::dims(Value tensor) {
  auto it = knownDims.find(tensor);
  if (it != knownDims.end())
    return it->second;
  Dims result;
  for (auto [axis, size] : llvm::enumerate(type(tensor).getShape())) {
    if (!ShapedType::isDynamic(size)) {
      result.push_back(getIndexAttr(size));
      continue;
    }
    // Not made here: ask the tensor, as early as possible so that every later block may use the answer.
    OpBuilder::InsertionGuard guard(*this);
    setInsertionPointAfterValue(tensor);
    result.push_back(tensor::DimOp::create(*this, tensor, axis).getResult());
  }
  knownDims[tensor] = result;
  return result;
}

RankedTensorType Emitter::tensorType(ArrayRef<OpFoldResult> dims, Type element) {
  SmallVector<int64_t> shape;
  for (OpFoldResult size : dims)
    shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
  return RankedTensorType::get(shape, element);
}

Value Emitter::withDims(Value tensor, ArrayRef<OpFoldResult> dims) {
  Dims known(dims.begin(), dims.end());
  for (auto [axis, size] : llvm::enumerate(type(tensor).getShape()))
    if (!ShapedType::isDynamic(size))
      known[axis] = getIndexAttr(size);
  knownDims[tensor] = known;
  return tensor;
}

Value Emitter::castToDims(Value tensor, ArrayRef<OpFoldResult> dims) {
  RankedTensorType wanted = tensorType(dims, elementType(tensor));
  if (wanted == tensor.getType())
    return tensor;
  return withDims(tensor::CastOp::create(*this, wanted, tensor), dims);
}

//===----------------------------------------------------------------------===//
// Scalars and small tensors
//===----------------------------------------------------------------------===//

static constexpr int64_t kMaxElementwiseKnown = 64;

Value Emitter::constantIndex(int64_t value) { return arith::ConstantIndexOp::create(*this, value); }

Value Emitter::constant(Type type, double value) {
  if (auto floating = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(*this, FloatAttr::get(floating, value));
  return constant(type, static_cast<int64_t>(value));
}

Value Emitter::constant(Type type, int64_t value) {
  if (auto floating = dyn_cast<FloatType>(type))
    return constant(type, static_cast<double>(value));
  if (type.isIndex())
    return constantIndex(value);
  unsigned width = type.getIntOrFloatBitWidth();
  return arith::ConstantOp::create(
      *this, IntegerAttr::get(type, APInt(width, static_cast<uint64_t>(value), /*isSigned=*/false,
                                          /*implicitTrunc=*/true)));
}

Value Emitter::constantTensor(ElementsAttr value) {
  return arith::ConstantOp::create(*this, cast<TypedAttr>(value));
}

ElementsAttr Emitter::constantValue(Value tensor) {
  while (auto cast = tensor.getDefiningOp<tensor::CastOp>())
    tensor = cast.getSource();
  if (auto op = tensor.getDefiningOp<arith::ConstantOp>())
    return dyn_cast<ElementsAttr>(op.getValue());
  return {};
}

bool Emitter::isElementwiseKnown(Value tensor) {
  auto shaped = dyn_cast<RankedTensorType>(tensor.getType());
  if (!shaped || !shaped.hasStaticShape() || shaped.getNumElements() > kMaxElementwiseKnown)
    return false;
  if (tensor.getDefiningOp<tensor::FromElementsOp>())
    return true;
  auto constant = tensor.getDefiningOp<arith::ConstantOp>();
  return constant && isa<DenseElementsAttr>(constant.getValue());
}

SmallVector<Value> Emitter::elements(Value tensor) {
  auto shaped = type(tensor);
  if (auto op = tensor.getDefiningOp<tensor::FromElementsOp>())
    return llvm::to_vector(op.getElements());
  SmallVector<Value> result;
  if (auto op = tensor.getDefiningOp<arith::ConstantOp>())
    if (auto dense = dyn_cast<DenseElementsAttr>(op.getValue())) {
      for (Attribute element : dense.getValues<Attribute>())
        result.push_back(arith::ConstantOp::create(*this, cast<TypedAttr>(element)));
      return result;
    }
  int64_t count = shaped.getNumElements();
  for (int64_t linear = 0; linear < count; ++linear) {
    SmallVector<Value> indices(shaped.getRank());
    int64_t rest = linear;
    for (int64_t axis = shaped.getRank() - 1; axis >= 0; --axis) {
      indices[axis] = constantIndex(rest % shaped.getDimSize(axis));
      rest /= shaped.getDimSize(axis);
    }
    result.push_back(tensor::ExtractOp::create(*this, tensor, indices));
  }
  return result;
}

Dims Emitter::dimElements(Value tensor) {
  Dims result;
  for (Value element : elements(tensor))
    result.push_back(asDimension(element));
  return result;
}

Value Emitter::fromElements(ArrayRef<int64_t> shape, Type element, ValueRange scalars) {
  auto result = RankedTensorType::get(shape, element);
  SmallVector<Attribute> constants;
  for (Value scalar : scalars) {
    Attribute attr;
    if (!matchPattern(scalar, m_Constant(&attr)))
      break;
    constants.push_back(attr);
  }
  if (constants.size() == scalars.size())
    return constantTensor(cast<ElementsAttr>(Attribute(DenseElementsAttr::get(result, constants))));
  return tensor::FromElementsOp::create(*this, result, scalars);
}

Value Emitter::scalar(Value tensor) {
  if (isElementwiseKnown(tensor))
    return elements(tensor)[0];
  SmallVector<Value> zeros(rank(tensor), constantIndex(0));
  return tensor::ExtractOp::create(*this, tensor, zeros);
}

Value Emitter::convertScalar(OpBuilder &b, Location loc, Value scalar, Type to, bool fromUnsigned, bool toUnsigned) {
  Type from = scalar.getType();
  if (from == to)
    return scalar;
  auto constant = [&](Type type, auto value) -> Value {
    TypedAttr attr = isa<FloatType>(type) ? TypedAttr(b.getFloatAttr(type, value)) : TypedAttr(b.getIntegerAttr(type, value));
    return arith::ConstantOp::create(b, loc, attr);
  };
  if (auto target = dyn_cast<FloatType>(to)) {
    if (auto source = dyn_cast<FloatType>(from)) {
      if (source.getWidth() < target.getWidth())
        return arith::ExtFOp::create(b, loc, to, scalar);
      if (source.getWidth() > target.getWidth())
        return arith::TruncFOp::create(b, loc, to, scalar);
      Value wide = arith::ExtFOp::create(b, loc, b.getF32Type(), scalar); // f16 <-> bf16
      return arith::TruncFOp::create(b, loc, to, wide);
    }
    if (from.isInteger(1) || fromUnsigned)
      return arith::UIToFPOp::create(b, loc, to, scalar);
    return arith::SIToFPOp::create(b, loc, to, scalar);
  }
  if (isa<FloatType>(from)) {
    if (to.isInteger(1))
      return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNE, scalar, constant(from, 0.0));
    // The conversion is undefined out of range: clamp in the wider type first. The bounds are exact in f64.
    if (!from.isF64())
      scalar = arith::ExtFOp::create(b, loc, b.getF64Type(), scalar), from = b.getF64Type();
    unsigned width = to.getIntOrFloatBitWidth();
    double low = toUnsigned ? 0.0 : -std::ldexp(1.0, width - 1);
    double high = std::ldexp(1.0, toUnsigned ? width : width - 1);
    // The largest f64 below `high` truncates to at most the largest integer.
    double top = width >= 53 ? std::nextafter(high, 0.0) : high - 1.0;
    Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, scalar, scalar);
    Value clamped = arith::SelectOp::create(b, loc, isNaN, constant(from, 0.0), scalar);
    clamped = arith::MaximumFOp::create(b, loc, clamped, constant(from, low));
    clamped = arith::MinimumFOp::create(b, loc, clamped, constant(from, top));
    if (toUnsigned)
      return arith::FPToUIOp::create(b, loc, to, clamped);
    return arith::FPToSIOp::create(b, loc, to, clamped);
  }
  if (from.isIndex() || to.isIndex())
    return arith::IndexCastOp::create(b, loc, to, scalar);
  if (to.isInteger(1))
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, scalar, constant(from, 0));
  unsigned fromWidth = from.getIntOrFloatBitWidth(), toWidth = to.getIntOrFloatBitWidth();
  if (fromWidth < toWidth) {
    if (from.isInteger(1) || fromUnsigned)
      return arith::ExtUIOp::create(b, loc, to, scalar);
    return arith::ExtSIOp::create(b, loc, to, scalar);
  }
  return arith::TruncIOp::create(b, loc, to, scalar);
}

void Emitter::require(Value condition, const Twine &message) {
  if (matchPattern(condition, m_One()))
    return;
  std::string text = message.str();
  if (!StringRef(text).starts_with("node '"))
    if (auto name = getLoc()->findInstanceOf<NameLoc>())
      text = ("node '" + name.getName().getValue() + "': " + text).str();
  cf::AssertOp::create(*this, condition, text);
}
