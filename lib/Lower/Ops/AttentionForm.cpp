//===- AttentionForm.cpp - Attention on its way to linalg -----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/AttentionForm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::ac;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

OpFoldResult AttentionForm::size(Emitter &emit, Value tensor, ArrayRef<int64_t> order, AttentionOp::Dim dim) const {
  auto place = AttentionOp::placeOf(order, dim);
  return place ? emit.dim(tensor, *place) : emit.dimension(1);
}

Dims AttentionForm::resultDims(Emitter &emit) const {
  return llvm::map_to_vector(outOrder, [&](int64_t i) {
    auto dim = static_cast<AttentionOp::Dim>(i);
    return dim == AttentionOp::Column ? size(emit, value, valueOrder, dim) : size(emit, query, queryOrder, dim);
  });
}

/// The mask with elements of `element` or booleans. Its last dimension is that of the keys; the others fit or are one.
static FailureOr<Value> fittedMask(Node &node, const AttentionForm &form, Type element) {
  Emitter &emit = node.emit;
  Value mask = form.mask;
  if (!Emitter::elementType(mask).isInteger(1))
    mask = emit.castElements(mask, element);
  int64_t rank = Emitter::rank(mask);
  Dims expected{form.size(emit, form.query, form.queryOrder, AttentionOp::Batch),
                form.size(emit, form.query, form.queryOrder, AttentionOp::Head),
                form.size(emit, form.query, form.queryOrder, AttentionOp::Row),
                form.size(emit, form.key, form.keyOrder, AttentionOp::Row)};
  expected.erase(expected.begin(), expected.end() - rank);
  for (auto [axis, sizes] : llvm::enumerate(llvm::zip_equal(emit.dims(mask), expected))) {
    auto [have, wanted] = sizes;
    bool isLast = static_cast<int64_t>(axis) == rank - 1;
    if (Emitter::same(have, wanted) || Emitter::isOne(have))
      continue;
    auto known = getConstantIntValue(have), knownWanted = getConstantIntValue(wanted);
    if (known && knownWanted)
      return node.refuse("dimension " + Twine(axis) + " of the mask has " + Twine(*known) + " entries, expected " +
                         Twine(*knownWanted));
    Value fits = arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(have), emit.asValue(wanted));
    if (!isLast) {
      Value isOne = arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(have), emit.constantIndex(1));
      fits = arith::OrIOp::create(emit, fits, isOne);
    }
    node.require(fits, "the mask does not fit the scores");
  }
  if (Emitter::isOne(emit.dims(mask).back()) && !Emitter::isOne(expected.back())) {
    Dims whole = emit.dims(mask);
    whole.back() = expected.back();
    mask = emit.broadcastTo(mask, whole);
  }
  return mask;
}

void mlir::ac::setScale(Node &node, AttentionForm &form, double scale) {
  Emitter &emit = node.emit;
  OpFoldResult depth = form.size(emit, form.query, form.queryOrder, AttentionOp::Column);
  if (scale != 0) {
    form.scale = scale;
    return;
  }
  if (auto known = getConstantIntValue(depth)) {
    form.scale = 1 / std::sqrt(static_cast<double>(*known));
    return;
  }
  Type element = Emitter::elementType(form.query);
  Type wide = element.isF64() ? element : emit.getF32Type();
  Value length = arith::SIToFPOp::create(emit, wide, emit.asInteger(depth, emit.getI64Type()));
  Value factor = arith::DivFOp::create(emit, emit.constant(wide, 1.0), math::SqrtOp::create(emit, length));
  form.query = emit.elementwise(form.query, element, [&](OpBuilder &b, Location loc, ValueRange v) {
    Value product = arith::MulFOp::create(b, loc, Emitter::convertScalar(b, loc, v[0], wide), factor);
    return Emitter::convertScalar(b, loc, product, element);
  });
}

FailureOr<Value> mlir::ac::maskForKeys(Node &node, Value mask, StringRef name, OpFoldResult keys) {
  Emitter &emit = node.emit;
  int64_t rank = Emitter::rank(mask);
  if (rank < 1 || rank > 4)
    return node.refuse(name + " has rank " + Twine(rank) + ", expected 1 to 4");
  Type type = Emitter::elementType(mask);
  if (!type.isInteger(1) && !isa<FloatType>(type))
    return node.refuse(name + " must hold booleans or floating-point numbers");
  OpFoldResult size = emit.dim(mask, rank - 1);
  if (Emitter::same(size, keys))
    return mask;
  auto have = getConstantIntValue(size), need = getConstantIntValue(keys);
  if (have && need && *have > *need)
    return node.refuse(name + " covers " + Twine(*have) + " keys, but there are " + Twine(*need));
  node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::sle, emit.asValue(size), emit.asValue(keys)),
               name + " covers more keys than there are");
  Value nothing = isa<FloatType>(type) ? emit.constant(type, -kInfinity) : emit.constant(type, 0);
  Dims low(rank, emit.dimension(0)), high = low;
  high.back() = emit.sub(keys, size);
  return emit.pad(mask, low, high, nothing);
}

FailureOr<Value> mlir::ac::lowerFused(Node &node, AttentionForm form) {
  Emitter &emit = node.emit;
  Type element = emit.getF32Type(), resultElement = Emitter::elementType(form.query);
  for (Value *tensor : {&form.query, &form.key, &form.value})
    *tensor = emit.castElements(*tensor, element);
  if (form.mask) {
    FailureOr<Value> mask = fittedMask(node, form, element);
    if (failed(mask))
      return failure();
    form.mask = *mask;
  }
  if (form.sinks)
    form.sinks = emit.castElements(form.sinks, element);
  Dims dims = form.resultDims(emit);
  auto number = [&](std::optional<double> value) { return value ? emit.getF64FloatAttr(*value) : FloatAttr(); };
  auto integer = [&](std::optional<int64_t> value) { return value ? emit.getI64IntegerAttr(*value) : IntegerAttr(); };
  auto op = AttentionOp::create(
      emit, TypeRange{Emitter::tensorType(dims, element)}, form.query, form.key, form.value, form.mask, form.offsets,
      form.lengths, form.sinks, /*init=*/Value(), emit.getDenseI64ArrayAttr(form.queryOrder),
      emit.getDenseI64ArrayAttr(form.keyOrder), emit.getDenseI64ArrayAttr(form.valueOrder),
      emit.getDenseI64ArrayAttr(form.outOrder), emit.getF64FloatAttr(form.scale), number(form.softcap),
      number(form.fill), integer(form.before), integer(form.after), form.emptyIsZero ? emit.getUnitAttr() : UnitAttr(),
      form.nanIsZero ? emit.getUnitAttr() : UnitAttr(), /*dense=*/UnitAttr());
  return emit.castElements(emit.withDims(op->getResult(0), dims), resultElement);
}

/// [batch, heads, rows, columns].
static Value inOrder(Emitter &emit, Value tensor, ArrayRef<int64_t> order) {
  SmallVector<int64_t> places, missing;
  for (int64_t dim = 0; dim < 4; ++dim) {
    if (auto place = AttentionOp::placeOf(order, static_cast<AttentionOp::Dim>(dim)))
      places.push_back(*place);
    else
      missing.push_back(dim);
  }
  if (!llvm::is_sorted(places))
    tensor = emit.transpose(tensor, places);
  return missing.empty() ? tensor : emit.expandAxes(tensor, missing);
}

/// Leaves out what is not seen, by mask and structure.
static Value withMask(Emitter &emit, const AttentionForm &form, Value scores, Value mask) {
  if (!mask && !form.lengths && !form.before && !form.after)
    return scores;
  Type element = Emitter::elementType(scores);
  Dims dims = emit.dims(scores);
  SmallVector<Value> operands{scores};
  if (mask)
    operands.push_back(mask);
  for (Value list : {form.offsets, form.lengths})
    if (list)
      operands.push_back(emit.expandAxes(list, {1, 2, 3}));
  Value result = emit.elementwise(operands, element, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
    auto number = [&](double value) -> Value {
      return arith::ConstantOp::create(b, loc, b.getFloatAttr(element, value));
    };
    Value score = v.front();
    v = v.drop_front();
    if (mask) {
      score = v[0].getType().isInteger(1)
                  ? arith::SelectOp::create(b, loc, v[0], score, number(form.fill.value_or(-kInfinity))).getResult()
                  : arith::AddFOp::create(b, loc, score, v[0]).getResult();
      v = v.drop_front();
    }
    Value column = linalg::IndexOp::create(b, loc, 3), row = linalg::IndexOp::create(b, loc, 2);
    if (form.offsets) {
      row = arith::AddIOp::create(b, loc, row, v[0]);
      v = v.drop_front();
    }
    Value seen = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
    auto restrict = [&](arith::CmpIPredicate predicate, Value x, Value y) {
      seen = arith::AndIOp::create(b, loc, seen, arith::CmpIOp::create(b, loc, predicate, x, y).getResult());
    };
    auto moved = [&](int64_t by) -> Value {
      return arith::AddIOp::create(b, loc, row, arith::ConstantIndexOp::create(b, loc, by).getResult());
    };
    if (form.lengths)
      restrict(arith::CmpIPredicate::slt, column, v[0]);
    if (form.after)
      restrict(arith::CmpIPredicate::sle, column, moved(*form.after));
    if (form.before)
      restrict(arith::CmpIPredicate::sge, column, moved(-*form.before));
    return arith::SelectOp::create(b, loc, seen, score, number(-kInfinity));
  });
  return emit.withDims(emit.castToDims(result, dims), dims);
}

FailureOr<Value> mlir::ac::lowerComposed(Node &node, AttentionForm form, AskedScores *asked) {
  Emitter &emit = node.emit;
  Type resultElement = Emitter::elementType(form.query);
  Type element = resultElement.isF64() ? resultElement : emit.getF32Type();
  for (Value *tensor : {&form.query, &form.key, &form.value})
    *tensor = emit.castElements(*tensor, element);
  FailureOr<Value> mask = form.mask ? fittedMask(node, form, element) : FailureOr<Value>(Value());
  if (failed(mask))
    return failure();
  Dims dims = form.resultDims(emit);
  Value query = inOrder(emit, form.query, form.queryOrder), key = inOrder(emit, form.key, form.keyOrder),
        value = inOrder(emit, form.value, form.valueOrder);
  OpFoldResult batch = emit.dim(query, 0), heads = emit.dim(query, 1), rows = emit.dim(query, 2),
               keyHeads = emit.dim(key, 1), keys = emit.dim(key, 2), columns = emit.dim(value, 3);
  auto map = [&](Value tensor, llvm::function_ref<Value(OpBuilder &, Location, Value)> body) {
    return emit.elementwise(tensor, element,
                            [&](OpBuilder &b, Location loc, ValueRange v) { return body(b, loc, v[0]); });
  };
  auto number = [&](OpBuilder &b, Location loc, double value) -> Value {
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(element, value));
  };
  auto flatten = [&](Value tensor) {
    Dims d = emit.dims(tensor);
    return emit.reshape(tensor, {emit.mul(d[0], d[1]), d[2], d[3]});
  };

  // The scale goes to the query, which is the smallest of what it could go to.
  if (form.scale != 1)
    query = map(query, [&](OpBuilder &b, Location loc, Value x) -> Value {
      return arith::MulFOp::create(b, loc, x, number(b, loc, form.scale));
    });
  auto h = getConstantIntValue(heads), g = getConstantIntValue(keyHeads);
  int64_t sharing = h && g && *g ? *h / *g : 1;
  OpFoldResult matrices = emit.mul(batch, heads);
  AffineMap each = emit.getMultiDimIdentityMap(1);
  AffineMap shared = AffineMap::get(1, 0, emit.getAffineDimExpr(0).floorDiv(sharing), emit.getContext());
  Value scores = emit.contract(flatten(query), flatten(emit.transpose(key, {0, 1, 3, 2})), matrices, each, shared);
  scores = emit.reshape(scores, {batch, heads, rows, keys});
  auto show = [&](ScoresStage stage, Value tensor) {
    if (asked && asked->stage == stage)
      asked->scores = emit.castElements(tensor, resultElement);
  };
  show(ScoresStage::Raw, scores);
  if (form.softcap)
    scores = map(scores, [&](OpBuilder &b, Location loc, Value x) -> Value {
      Value cap = number(b, loc, *form.softcap);
      return arith::MulFOp::create(b, loc, math::TanhOp::create(b, loc, arith::DivFOp::create(b, loc, x, cap)), cap);
    });
  show(ScoresStage::Capped, scores);
  scores = withMask(emit, form, scores, *mask);
  show(ScoresStage::Masked, scores);

  // The rows are normalised after the product, which has fewer columns. One without any key has the sum zero.
  Value infinity = emit.constant(element, -kInfinity), zero = emit.constant(element, 0.0);
  auto reassociate = arith::FastMathFlagsAttr::get(emit.getContext(), arith::FastMathFlags::reassoc);
  Value top = emit.reduce(scores, {3}, /*keepDims=*/true, infinity, [&](OpBuilder &b, Location loc, ValueRange v) {
    return arith::MaxNumFOp::create(b, loc, v[0], v[1], reassociate).getResult();
  });
  Value sinks;
  if (form.sinks) {
    sinks = emit.expandAxes(emit.castElements(form.sinks, element), {0, 2, 3});
    top = emit.elementwise({top, sinks}, element, [&](OpBuilder &b, Location loc, ValueRange v) -> Value {
      return arith::MaxNumFOp::create(b, loc, v[0], v[1]);
    });
  }
  if (form.emptyIsZero)
    top = map(top, [&](OpBuilder &b, Location loc, Value x) -> Value {
      Value none = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, infinity);
      return arith::SelectOp::create(b, loc, none, zero, x);
    });
  Value powers = emit.elementwise({scores, top}, element, [](OpBuilder &b, Location loc, ValueRange v) -> Value {
    return math::ExpOp::create(b, loc, arith::SubFOp::create(b, loc, v[0], v[1]));
  });
  Value total = emit.reduce(powers, {3}, /*keepDims=*/true, zero, [&](OpBuilder &b, Location loc, ValueRange v) {
    return arith::AddFOp::create(b, loc, v[0], v[1], reassociate).getResult();
  });
  if (sinks)
    total = emit.elementwise({total, sinks, top}, element, [](OpBuilder &b, Location loc, ValueRange v) -> Value {
      Value power = math::ExpOp::create(b, loc, arith::SubFOp::create(b, loc, v[1], v[2]).getResult());
      return arith::AddFOp::create(b, loc, v[0], power);
    });
  Value norm = map(total, [&](OpBuilder &b, Location loc, Value x) -> Value {
    Value one = number(b, loc, 1);
    Value none = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, x, zero);
    return arith::DivFOp::create(b, loc, one, arith::SelectOp::create(b, loc, none, one, x));
  });
  auto normalised = [&](Value tensor, Type type) {
    return emit.elementwise({tensor, norm}, type, [&](OpBuilder &b, Location loc, ValueRange v) {
      Value quotient = arith::MulFOp::create(b, loc, v[0], v[1]);
      if (form.nanIsZero) {
        Value isNaN = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::UNO, v[1], v[1]);
        quotient = arith::SelectOp::create(b, loc, isNaN, number(b, loc, 0), quotient);
      }
      return Emitter::convertScalar(b, loc, quotient, type);
    });
  };
  if (asked && asked->stage == ScoresStage::Softmax)
    asked->scores = normalised(powers, resultElement);
  Value result = emit.contract(flatten(powers), flatten(value), matrices, each, shared);
  result = normalised(emit.reshape(result, {batch, heads, rows, columns}), resultElement);
  // Dimensions that the order does not name come last, and have size one.
  SmallVector<int64_t> order(form.outOrder);
  for (int64_t dim = 0; dim < 4; ++dim)
    if (!llvm::is_contained(order, dim))
      order.push_back(dim);
  if (!llvm::is_sorted(order))
    result = emit.transpose(result, order);
  return form.outOrder.size() == 4 ? result : emit.reshape(result, dims);
}

/// Checks at run time what the types leave open: the kernel reads keys and values by the sizes of the queries.
static void requireMatchingSizes(Node &node, const AttentionForm &form) {
  Emitter &emit = node.emit;
  auto sizesOf = [&](Value tensor, ArrayRef<int64_t> order) {
    return llvm::map_to_vector(llvm::seq<int64_t>(0, 4), [&](int64_t dim) {
      return form.size(emit, tensor, order, static_cast<AttentionOp::Dim>(dim));
    });
  };
  auto query = sizesOf(form.query, form.queryOrder), key = sizesOf(form.key, form.keyOrder),
       value = sizesOf(form.value, form.valueOrder);
  auto require = [&](OpFoldResult a, OpFoldResult b, const Twine &message) {
    if (!Emitter::same(a, b) && !(getConstantIntValue(a) && getConstantIntValue(b)))
      node.require(arith::CmpIOp::create(emit, arith::CmpIPredicate::eq, emit.asValue(a), emit.asValue(b)), message);
  };
  require(key[AttentionOp::Batch], query[AttentionOp::Batch], "its queries and keys have different batch sizes");
  require(value[AttentionOp::Batch], query[AttentionOp::Batch], "its queries and values have different batch sizes");
  require(value[AttentionOp::Head], key[AttentionOp::Head], "its keys and values have different numbers of heads");
  require(value[AttentionOp::Row], key[AttentionOp::Row], "its keys and values have different lengths");
  require(key[AttentionOp::Column], query[AttentionOp::Column], "its queries and keys have heads of different sizes");
  OpFoldResult heads = query[AttentionOp::Head], keyHeads = key[AttentionOp::Head];
  if (Emitter::same(heads, keyHeads) || (getConstantIntValue(heads) && getConstantIntValue(keyHeads)))
    return;
  // Groups are only found where sizes are known.
  require(keyHeads, heads, "its queries and keys have different numbers of heads");
}

LogicalResult mlir::ac::lowerAttentionOp(Node &node) {
  auto op = cast<AttentionOp>(node.op);
  AttentionForm form;
  SmallVector<Value> inputs = node.inputs();
  form.query = inputs[0];
  form.key = inputs[1];
  form.value = inputs[2];
  unsigned next = 3;
  for (auto [given, field] : {std::pair{op.getMask(), &form.mask}, std::pair{op.getOffsets(), &form.offsets},
                              std::pair{op.getLengths(), &form.lengths}, std::pair{op.getSinks(), &form.sinks}})
    if (given)
      *field = inputs[next++];
  for (auto [given, field] :
       {std::pair{op.getQueryOrder(), &form.queryOrder}, std::pair{op.getKeyOrder(), &form.keyOrder},
        std::pair{op.getValueOrder(), &form.valueOrder}, std::pair{op.getOutOrder(), &form.outOrder}})
    *field = llvm::to_vector(given);
  form.scale = op.getScale().convertToDouble();
  if (op.getSoftcap())
    form.softcap = op.getSoftcap()->convertToDouble();
  if (op.getFill())
    form.fill = op.getFill()->convertToDouble();
  if (op.getBefore())
    form.before = *op.getBefore();
  if (op.getAfter())
    form.after = *op.getAfter();
  form.emptyIsZero = op.getEmptyIsZero();
  form.nanIsZero = op.getNanIsZero();
  requireMatchingSizes(node, form);
  bool isComposed = op.getDense() || Emitter::elementType(form.query).isF64();
  FailureOr<Value> result = isComposed ? lowerComposed(node, form) : lowerFused(node, form);
  return failed(result) ? failure() : node.finish(*result);
}
