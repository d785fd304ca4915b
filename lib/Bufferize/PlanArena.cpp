//===- PlanArena.cpp - Fixed places for buffers of known size -------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Offset assignment by decreasing size: the method of choice for static plans of neural networks (Pisarchyk and Lee,
// "Efficient Memory Management for Deep Neural Net Inference", 2020, greedy by size).
//
//===----------------------------------------------------------------------===//
#include "Bufferize/Passes.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::ac {
#define GEN_PASS_DEF_PLANARENA
#include "Bufferize/Passes.h.inc"

namespace {

constexpr int64_t kAlignment = 64;

/// A buffer and the part of the block in which it lives, as positions of operations.
struct Buffer {
  memref::AllocOp alloc;
  memref::DeallocOp dealloc;
  int64_t first, last, bytes;
  int64_t offset = 0;
};

bool meet(const Buffer &a, const Buffer &b) { return a.first <= b.last && b.first <= a.last; }

/// Chooses offsets; returns the bytes of the whole.
int64_t plan(MutableArrayRef<Buffer> buffers) {
  SmallVector<Buffer *> bySize;
  for (Buffer &buffer : buffers)
    bySize.push_back(&buffer);
  llvm::stable_sort(bySize, [](Buffer *a, Buffer *b) { return a->bytes > b->bytes; });
  SmallVector<Buffer *> placed; // by offset
  int64_t total = 0;
  for (Buffer *buffer : bySize) {
    int64_t offset = 0;
    for (Buffer *other : placed) {
      if (!meet(*buffer, *other))
        continue;
      if (other->offset >= offset + buffer->bytes)
        break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer->offset = offset;
    placed.insert(llvm::upper_bound(placed, buffer, [](Buffer *a, Buffer *b) { return a->offset < b->offset; }),
                  buffer);
    total = std::max(total, offset + buffer->bytes);
  }
  return total;
}

struct PlanArena : impl::PlanArenaBase<PlanArena> {
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    Block &body = function.getBody().front();
    DenseMap<Operation *, int64_t> positions;
    for (auto [position, op] : llvm::enumerate(body))
      positions[&op] = position;
    SmallVector<Buffer> buffers;
    for (auto alloc : body.getOps<memref::AllocOp>()) {
      MemRefType type = alloc.getType();
      if (!type.hasStaticShape() || !type.getLayout().isIdentity() || !type.getElementType().isIntOrIndexOrFloat())
        continue;
      SmallVector<memref::DeallocOp> deallocs;
      for (Operation *user : alloc->getUsers())
        if (auto dealloc = dyn_cast<memref::DeallocOp>(user))
          deallocs.push_back(dealloc);
      if (deallocs.size() != 1 || deallocs[0]->getBlock() != &body)
        continue;
      int64_t bits = type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
      int64_t bytes = llvm::alignTo(std::max<int64_t>(type.getNumElements() * llvm::divideCeil(bits, 8), 1), kAlignment);
      buffers.push_back({alloc, deallocs[0], positions[alloc], positions[deallocs[0]], bytes});
    }
    if (buffers.size() < 2)
      return;
    int64_t total = plan(buffers);
    OpBuilder b(&getContext());
    b.setInsertionPointToStart(&body);
    Value arena = memref::AllocOp::create(b, function.getLoc(), MemRefType::get({total}, b.getI8Type()));
    Operation *last = buffers[0].dealloc;
    for (Buffer &buffer : buffers) {
      b.setInsertionPoint(buffer.alloc);
      Value offset = arith::ConstantIndexOp::create(b, buffer.alloc.getLoc(), buffer.offset);
      Value view = memref::ViewOp::create(b, buffer.alloc.getLoc(), buffer.alloc.getType(), arena, offset, ValueRange{});
      buffer.alloc.replaceAllUsesWith(view);
      if (last->isBeforeInBlock(buffer.dealloc))
        last = buffer.dealloc;
    }
    b.setInsertionPointAfter(last);
    memref::DeallocOp::create(b, function.getLoc(), arena);
    for (Buffer &buffer : buffers) {
      buffer.dealloc.erase();
      buffer.alloc.erase();
    }
  }
};

} // namespace
} // namespace mlir::ac
