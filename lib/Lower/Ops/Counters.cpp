//===- Counters.cpp - Counters of what a decision let run -----------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Lower/Ops/Counters.h"
#include "Support/Costs.h"
#include "dialects/AC/IR/ACDialect.h"

using namespace mlir;
using namespace mlir::ac;

Counters::Counters(Node &node, StringRef kind) : node(node), kind(kind), site(counterSite(node.op)) {}

void Counters::count(unsigned slot, OpFoldResult value, Value offset) const {
  Emitter &emit = node.emit;
  SmallVector<StringRef> texts(names.begin(), names.end());
  CountOp::create(emit, emit.getStringAttr(site), emit.getI64IntegerAttr(slot), emit.asValue(value), offset,
                  emit.getStringAttr(kind), emit.getStrArrayAttr(texts), emit.getDenseI64ArrayAttr(costs));
}
