//===- KernelDescription.cpp - What a kernel computes ---------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Kernels/KernelDescription.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/xxhash.h"
#include "llvm/TargetParser/Triple.h"

namespace mlir::ac {

using llvm::json::Array;
using llvm::json::Object;

static constexpr int64_t kVersion = 1;

namespace {
/// Translates an epilogue to numbered operations; `failed` once something has no translation.
class EpilogueWriter {
public:
  Object write(Block *body) {
    for (Value argument : body->getArguments())
      number(argument);
    for (Operation &op : body->without_terminator())
      add(op);
    int64_t result = use(body->getTerminator()->getOperand(0));
    return Object{{"ops", std::move(ops)}, {"yield", result}};
  }
  bool failed = false;

private:
  void number(Value value) { numbers[value] = count++; }
  int64_t use(Value value) {
    auto found = numbers.find(value);
    if (found != numbers.end())
      return found->second;
    // What is captured must be a constant.
    auto constant = value.getDefiningOp<arith::ConstantOp>();
    if (constant && isKnown(constant))
      return addConstant(constant);
    failed = true;
    return 0;
  }
  static bool isKnown(arith::ConstantOp op) { return op.getType().isF32() && isa<FloatAttr>(op.getValue()); }
  int64_t addConstant(arith::ConstantOp op) {
    APInt bits = cast<FloatAttr>(op.getValue()).getValue().bitcastToAPInt();
    ops.push_back(Object{{"bits", static_cast<int64_t>(bits.getZExtValue())}});
    number(op.getResult());
    return count - 1;
  }
  int64_t emit(StringRef name, ArrayRef<int64_t> operands) {
    ops.push_back(Object{{"op", name.str()}, {"in", Array(operands)}});
    return count++;
  }
  void add(Operation &op);
  std::optional<int64_t> compare(arith::CmpFOp op);

  DenseMap<Value, int64_t> numbers;
  int64_t count = 0;
  Array ops;
};
} // namespace

std::optional<int64_t> EpilogueWriter::compare(arith::CmpFOp op) {
  using P = arith::CmpFPredicate;
  int64_t x = use(op.getLhs()), y = use(op.getRhs());
  auto inverted = [&](int64_t value) { return emit("not", {value}); };
  switch (op.getPredicate()) {
  case P::OLT:
    return emit("less", {x, y});
  case P::OGT:
    return emit("less", {y, x});
  case P::OLE:
    return emit("less_equal", {x, y});
  case P::OGE:
    return emit("less_equal", {y, x});
  case P::OEQ:
    return emit("equal", {x, y});
  case P::UNE:
    return inverted(emit("equal", {x, y}));
  case P::UGE:
    return inverted(emit("less", {x, y}));
  case P::ULE:
    return inverted(emit("less", {y, x}));
  case P::UGT:
    return inverted(emit("less_equal", {x, y}));
  case P::ULT:
    return inverted(emit("less_equal", {y, x}));
  default:
    return std::nullopt;
  }
}

void EpilogueWriter::add(Operation &op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (isKnown(constant))
      addConstant(constant);
    return; // an unknown one matters where it is used
  }
  if (auto cmp = dyn_cast<arith::CmpFOp>(op)) {
    if (std::optional<int64_t> value = compare(cmp))
      numbers[cmp.getResult()] = *value;
    return;
  }
  StringRef name = llvm::TypeSwitch<Operation *, StringRef>(&op)
                       .Case<arith::AddFOp>([](auto) { return "add"; })
                       .Case<arith::SubFOp>([](auto) { return "sub"; })
                       .Case<arith::MulFOp>([](auto) { return "mul"; })
                       .Case<arith::DivFOp>([](auto) { return "div"; })
                       .Case<arith::NegFOp>([](auto) { return "neg"; })
                       .Case<arith::SelectOp>([](auto) { return "select"; })
                       .Case<arith::AndIOp>([](auto) { return "and"; })
                       .Case<arith::OrIOp>([](auto) { return "or"; })
                       .Case<math::AbsFOp>([](auto) { return "abs"; })
                       .Case<math::SqrtOp>([](auto) { return "sqrt"; })
                       .Case<math::FloorOp>([](auto) { return "floor"; })
                       .Case<math::CeilOp>([](auto) { return "ceil"; })
                       .Case<math::ExpOp>([](auto) { return "exp"; })
                       .Case<math::ExpM1Op>([](auto) { return "expm1"; })
                       .Case<math::ErfOp>([](auto) { return "erf"; })
                       .Case<math::TanhOp>([](auto) { return "tanh"; })
                       .Default([](Operation *) { return ""; });
  Type type = op.getNumResults() == 1 ? op.getResult(0).getType() : Type();
  if (name.empty() || !type || (!type.isF32() && !type.isInteger(1))) {
    failed = true;
    return;
  }
  SmallVector<int64_t> operands;
  for (Value operand : op.getOperands())
    operands.push_back(use(operand));
  numbers[op.getResult(0)] = emit(name, operands);
}

static Object describeTarget(const TargetInfo &target) {
  return Object{{"arch", llvm::Triple(target.triple).getArchName().str()},
                {"vector_bits", static_cast<int64_t>(target.vectorBits)},
                {"tile_rows", static_cast<int64_t>(target.tileRows)},
                {"tile_vectors", static_cast<int64_t>(target.tileVectors)}};
}

/// Whether kernels are made for this machine at all.
static bool isServed(const TargetInfo &target) { return llvm::Triple(target.triple).getArch() == llvm::Triple::x86_64; }

static std::optional<std::string> finish(Object description, const TargetInfo &target, Block *epilogue) {
  EpilogueWriter writer;
  description["version"] = kVersion;
  description["target"] = describeTarget(target);
  description["epilogue"] = writer.write(epilogue);
  if (writer.failed)
    return std::nullopt;
  return llvm::formatv("{0}", llvm::json::Value(std::move(description))).str();
}

/// Numbers of a call have 32 bits, and so do distances of elements.
static bool fits(int64_t size) {
  return !ShapedType::isDynamic(size) && size <= std::numeric_limits<int32_t>::max() / 64;
}

/// Whether the distance from one `dim` to the next is known and fits, or is `wanted` if that is given.
static bool hasKnownStride(Value operand, int64_t dim, int64_t wanted = 0) {
  auto type = dyn_cast<MemRefType>(operand.getType());
  if (!type) // a tensor, of which more is known once it is a buffer
    return true;
  SmallVector<int64_t> strides;
  int64_t offset;
  return succeeded(type.getStridesAndOffset(strides, offset)) && fits(strides[dim]) &&
         (!wanted || strides[dim] == wanted);
}

bool isAllF32(ContractOp op) {
  return llvm::all_of(ValueRange{op.getLhs(), op.getRhs(), op.getInit()},
                      [](Value operand) { return getElementTypeOrSelf(operand).isF32(); }) &&
         op.getElementType().isF32();
}

std::optional<std::string> describeKernel(ContractOp op, const TargetInfo &target) {
  auto lhs = cast<ShapedType>(op.getLhs().getType());
  if (!isServed(target) || !isAllF32(op) || !(op.getPacked() || op.getCopied()) || op.readsInit() || op.hasImages() ||
      !fits(lhs.getDimSize(ContractOp::dimOf(op.getLhsOrder(), 2))))
    return std::nullopt;
  if (op.getPacked() && (op.getLanes() != target.panel(op.getElementType()) ||
                         !hasKnownStride(op.getRhs(), 2, op.getLanes()) || !hasKnownStride(op.getRhs(), 3, 1)))
    return std::nullopt;
  for (int64_t dim : {1, 2})
    if (!hasKnownStride(op.getLhs(), ContractOp::dimOf(op.getLhsOrder(), dim)))
      return std::nullopt;
  if (!hasKnownStride(op.getInit(), op.getOutDim(1)))
    return std::nullopt;
  Array extras;
  for (auto [map, extra] : llvm::zip_equal(op.getExtraMaps().getAsValueRange<AffineMapAttr>(), op.getExtras())) {
    if (!getElementTypeOrSelf(extra.getType()).isF32())
      return std::nullopt;
    // Batch and constants choose the first element; rows and columns must be dimensions of their own.
    Array along;
    for (int64_t dim : {2, 1})
      for (auto [i, expr] : llvm::enumerate(map.getResults())) {
        if (!expr.isFunctionOfDim(dim))
          continue;
        bool isLast = i + 1 == map.getNumResults();
        if (expr != getAffineDimExpr(dim, op.getContext()) || (dim == 2) != isLast || !hasKnownStride(extra, i))
          return std::nullopt;
        along.push_back(dim == 2 ? "column" : "row");
      }
    if (along.size() > 2)
      return std::nullopt;
    extras.push_back(Object{{"along", std::move(along)}});
  }
  return finish(
      Object{{"compute", "matrix_product"}, {"lhs_rows", op.getLhsRows() != nullptr}, {"extras", std::move(extras)}},
      target, op.getEpilogueBody());
}

/// Numbers of elements of a plane and of planes are 32-bit ones in a call; where they are not known, the call checks.
static bool hasFewElements(Value images) {
  ArrayRef<int64_t> sizes = cast<ShapedType>(images.getType()).getShape();
  for (auto [x, y] : {std::pair{sizes[0], sizes[1]}, std::pair{sizes[2], sizes[3]}})
    if (!ShapedType::isDynamic(x) && !ShapedType::isDynamic(y) && x * y > kMostPerCall)
      return false;
  return true;
}

std::optional<std::string> describeKernel(DepthwiseOp op, const TargetInfo &target) {
  if (!isServed(target) || !op.getElementType().isF32() || !hasFewElements(op.getInput()) ||
      !hasFewElements(op.getInit()))
    return std::nullopt;
  Array extras;
  for (AffineMap map : op.getExtraMaps().getAsValueRange<AffineMapAttr>()) {
    // Constants are zero, in dimensions without extent.
    SmallVector<int64_t> dims;
    for (AffineExpr expr : map.getResults())
      if (auto dim = dyn_cast<AffineDimExpr>(expr))
        dims.push_back(dim.getPosition());
    Array along;
    bool isOneImage = cast<ShapedType>(op.getInit().getType()).getDimSize(0) == 1;
    if (dims == ArrayRef<int64_t>{0, 1, 2, 3} || (isOneImage && dims == ArrayRef<int64_t>{1, 2, 3}))
      along = Array{"column", "row", "plane"};
    else if (dims == ArrayRef<int64_t>{0, 1})
      along = Array{"plane"};
    else if (dims == ArrayRef<int64_t>{1})
      along = Array{"channel"};
    else if (!dims.empty())
      return std::nullopt;
    extras.push_back(Object{{"along", std::move(along)}});
  }
  return finish(Object{{"compute", "depthwise_convolution"},
                       {"kernel", Array(op.getKernel())},
                       {"strides", Array(op.getStrides())},
                       {"dilations", Array(op.getDilations())},
                       {"low", Array(op.getLow())},
                       {"extras", std::move(extras)}},
                target, op.getEpilogueBody());
}

std::string kernelEntry(StringRef description) {
  auto hash = llvm::xxh3_128bits(ArrayRef(description.bytes_begin(), description.bytes_end()));
  return llvm::formatv("ac_halide_{0:x-16}{1:x-16}", hash.high64, hash.low64).str();
}

static std::string text(ArrayRef<int64_t> sizes) {
  std::string result;
  for (int64_t size : sizes)
    result += (result.empty() ? "" : "x") + (ShapedType::isDynamic(size) ? std::string("?") : std::to_string(size));
  return result;
}

std::string describeWork(ContractOp op) {
  auto lhs = cast<ShapedType>(op.getLhs().getType()), init = cast<ShapedType>(op.getInit().getType());
  auto sizeOf = [](ShapedType type, std::optional<ArrayRef<int64_t>> order, int64_t dim) {
    return type.getDimSize(ContractOp::dimOf(order, dim));
  };
  int64_t columns = op.getOutPanels() ? sizeOf(cast<ShapedType>(op.getRhs().getType()), op.getRhsOrder(), 2)
                                      : sizeOf(init, op.getOutOrder(), 2);
  return "product " + text({init.getDimSize(op.getOutDim(0)), init.getDimSize(op.getOutDim(1)),
                            sizeOf(lhs, op.getLhsOrder(), 2), columns});
}

std::string describeWork(DepthwiseOp op) {
  return "depthwise " + text(cast<ShapedType>(op.getInit().getType()).getShape()) + " kernel " + text(op.getKernel()) +
         " strides " + text(op.getStrides()) + " dilations " + text(op.getDilations());
}

} // namespace mlir::ac
