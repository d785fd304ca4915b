//===- ACAttentionOp.cpp - Verifier of ac.attention -----------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

std::optional<int64_t> AttentionOp::placeOf(ArrayRef<int64_t> order, Dim dim) {
  auto it = llvm::find(order, static_cast<int64_t>(dim));
  return it == order.end() ? std::nullopt : std::optional<int64_t>(it - order.begin());
}

LogicalResult AttentionOp::verify() {
  bool onBuffers = isa<BaseMemRefType>(getQuery().getType());
  if (onBuffers ? !getInit() || getNumResults() != 0 : getInit() || getNumResults() != 1)
    return emitOpError("(attention_c8) has ")
           << getNumResults() << " results and " << (getInit() ? "" : "no ") << "outs, expected "
           << (onBuffers ? "outs alone on buffers" : "one result and no outs on tensors");

  auto isOrder = [](ArrayRef<int64_t> order) {
    SmallVector<int64_t> sorted(order);
    llvm::sort(sorted);
    return llvm::all_of(sorted, [](int64_t dim) { return dim >= Batch && dim <= Column; }) &&
           std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() && llvm::is_contained(order, Row) &&
           llvm::is_contained(order, Column);
  };
  struct Operand {
    StringRef name;
    Type type;
    ArrayRef<int64_t> order;
  };
  Type outType = onBuffers ? getInit().getType() : getResults().front().getType();
  Operand query{"query", getQuery().getType(), getQueryOrder()}, key{"key", getKey().getType(), getKeyOrder()},
      value{"value", getValue().getType(), getValueOrder()}, out{"result", outType, getOutOrder()};
  auto queryType = dyn_cast<ShapedType>(query.type);
  for (const Operand &operand : {query, key, value, out}) {
    if (!isOrder(operand.order))
      return emitOpError("(attention_c2) has for the ")
             << operand.name << " the order " << operand.order << ", expected some of 0 to 3, with 2 and 3";
    auto type = dyn_cast<ShapedType>(operand.type);
    if (!type || !type.hasRank() || type.getRank() != static_cast<int64_t>(operand.order.size()) ||
        !isa<FloatType>(type.getElementType()) || !queryType || type.getElementType() != queryType.getElementType())
      return emitOpError("(attention_c1) has a ")
             << operand.name << " of type " << operand.type << ", expected rank " << operand.order.size()
             << " and the floating-point elements of the query";
  }
  if (value.order.back() != Column || out.order.back() != Column)
    return emitOpError("(attention_c3) has orders of value and result that do not end in columns (3)");

  auto sizeOf = [](const Operand &operand, Dim dim) {
    auto place = placeOf(operand.order, dim);
    return place ? cast<ShapedType>(operand.type).getDimSize(*place) : 1;
  };
  auto requireSame = [&](const Operand &a, const Operand &b, Dim dim, StringRef what) -> LogicalResult {
    int64_t first = sizeOf(a, dim), second = sizeOf(b, dim);
    if (first == second || ShapedType::isDynamic(first) || ShapedType::isDynamic(second))
      return success();
    return emitOpError("(attention_c4) has ")
           << first << " " << what << " in the " << a.name << " and " << second << " in the " << b.name;
  };
  for (const Operand *other : {&key, &value, &out})
    if (failed(requireSame(query, *other, Batch, "batch entries")))
      return failure();
  if (failed(requireSame(key, value, Row, "keys")) || failed(requireSame(query, key, Column, "columns")) ||
      failed(requireSame(key, value, Head, "heads")) || failed(requireSame(query, out, Head, "heads")) ||
      failed(requireSame(query, out, Row, "rows")) || failed(requireSame(value, out, Column, "columns")))
    return failure();
  int64_t queryHeads = sizeOf(query, Head), keyHeads = sizeOf(key, Head);
  if (!ShapedType::isDynamic(queryHeads) && !ShapedType::isDynamic(keyHeads) &&
      (keyHeads == 0 ? queryHeads != 0 : queryHeads % keyHeads != 0))
    return emitOpError("(attention_c4) has ")
           << queryHeads << " query heads for " << keyHeads << " key heads, expected a multiple";

  bool isBoolean = false;
  if (getMask()) {
    auto type = dyn_cast<ShapedType>(getMask().getType());
    isBoolean = type && type.getElementType().isInteger(1);
    if (!type || !type.hasRank() || type.getRank() < 1 || type.getRank() > 4 ||
        (!isBoolean && type.getElementType() != queryType.getElementType()))
      return emitOpError("(attention_c5) has a mask of type ")
             << getMask().getType() << ", expected one to four dimensions of booleans or of the query's elements";
  }
  if (getFill() && !isBoolean)
    return emitOpError("(attention_c5) has a fill but no mask of booleans");
  for (Value list : {getOffsets(), getLengths()}) {
    auto type = list ? dyn_cast<ShapedType>(list.getType()) : ShapedType();
    if (list && (!type || !type.hasRank() || type.getRank() != 1 || !type.getElementType().isIndex()))
      return emitOpError("(attention_c6) has offsets or lengths of type ")
             << list.getType() << ", expected one dimension of type index";
  }
  if (getSinks()) {
    auto type = dyn_cast<ShapedType>(getSinks().getType());
    bool fits = type && type.hasRank() && type.getRank() == 1 && type.getElementType() == queryType.getElementType() &&
                (type.isDynamicDim(0) || ShapedType::isDynamic(queryHeads) || type.getDimSize(0) == queryHeads);
    if (!fits)
      return emitOpError("(attention_c9) has sinks of type ")
             << getSinks().getType() << ", expected one of the query's elements for each query head";
  }
  auto isNegative = [](IntegerAttr limit) { return limit && limit.getInt() < 0; };
  if (isNegative(getBeforeAttr()) || isNegative(getAfterAttr()) ||
      (getSoftcap() && !(getSoftcap()->convertToDouble() > 0)))
    return emitOpError("(attention_c7) has a negative before or after, or a softcap that is not positive");
  return success();
}

void AttentionOp::getEffects(SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    if (!isa<BaseMemRefType>(operand.get().getType()))
      continue;
    bool isResult = operand.get() == getInit();
    effects.emplace_back(isResult ? static_cast<MemoryEffects::Effect *>(MemoryEffects::Write::get())
                                  : MemoryEffects::Read::get(),
                         &operand, SideEffects::DefaultResource::get());
  }
}
