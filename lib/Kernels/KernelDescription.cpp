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
  static bool isKnown(arith::ConstantOp op) {
    return (op.getType().isF32() && isa<FloatAttr>(op.getValue())) ||
           (op.getType().isInteger(32) && isa<IntegerAttr>(op.getValue()));
  }
  int64_t addConstant(arith::ConstantOp op) {
    auto real = dyn_cast<FloatAttr>(op.getValue());
    APInt bits = real ? real.getValue().bitcastToAPInt() : cast<IntegerAttr>(op.getValue()).getValue();
    ops.push_back(Object{{"bits", static_cast<int64_t>(bits.getZExtValue())}});
    if (!real)
      (*ops.back().getAsObject())["type"] = "i32";
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

/// The name of a conversion, if it is one from integers of so many bits.
template <typename Cast> static StringRef castName(Cast cast, unsigned bits, StringRef name) {
  return cast.getIn().getType().isInteger(bits) ? name : "";
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
                       .Case<arith::AndIOp>([](auto bits) { return bits.getType().isInteger(1) ? "and" : ""; })
                       .Case<arith::OrIOp>([](auto bits) { return bits.getType().isInteger(1) ? "or" : ""; })
                       .Case<arith::AddIOp>([](auto sum) { return sum.getType().isInteger(32) ? "add" : ""; })
                       .Case<arith::SubIOp>([](auto sum) { return sum.getType().isInteger(32) ? "sub" : ""; })
                       .Case<arith::MulIOp>([](auto product) { return product.getType().isInteger(32) ? "mul" : ""; })
                       .Case<arith::SIToFPOp>([](auto cast) { return castName(cast, 32, "to_float"); })
                       .Case<arith::FPToSIOp>([](auto cast) { return cast.getType().isInteger(32) ? "to_int" : ""; })
                       .Case<arith::TruncIOp>([](auto cast) { return castName(cast, 32, "narrow"); })
                       .Case<arith::ExtSIOp>([](auto cast) { return castName(cast, 8, "widen"); })
                       .Case<arith::ExtUIOp>([](auto cast) { return castName(cast, 8, "widen_unsigned"); })
                       .Case<math::AbsFOp>([](auto) { return "abs"; })
                       .Case<math::SqrtOp>([](auto) { return "sqrt"; })
                       .Case<math::FloorOp>([](auto) { return "floor"; })
                       .Case<math::CeilOp>([](auto) { return "ceil"; })
                       .Case<math::RoundEvenOp>([](auto) { return "round_even"; })
                       .Case<math::ExpOp>([](auto) { return "exp"; })
                       .Case<math::ExpM1Op>([](auto) { return "expm1"; })
                       .Case<math::ErfOp>([](auto) { return "erf"; })
                       .Case<math::TanhOp>([](auto) { return "tanh"; })
                       .Default([](Operation *) { return ""; });
  Type type = op.getNumResults() == 1 ? op.getResult(0).getType() : Type();
  auto isServed = [](Type type) {
    return type.isF32() || type.isInteger(1) || type.isInteger(8) || type.isInteger(32);
  };
  if (name.empty() || !type || !isServed(type) || !llvm::all_of(op.getOperandTypes(), isServed)) {
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

/// The name of a type of elements in a description; empty if it has none.
static StringRef nameOf(Type type, bool isUnsigned = false) {
  if (type.isInteger(8))
    return isUnsigned ? "u8" : "i8";
  return type.isF32() ? "f32" : type.isF16() ? "f16" : type.isInteger(32) ? "i32" : "";
}

/// Whether the machine has all that Halide takes for granted where it multiplies bytes in groups.
static bool multipliesGroups(const TargetInfo &target) {
  SmallVector<std::string> features = target.listFeatures();
  return target.vectorBits == 512 &&
         llvm::all_of(ArrayRef<StringRef>{"avx512vnni", "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512bitalg"},
                      [&](StringRef name) { return llvm::is_contained(features, name); });
}

/// What is multiplied, in the fields of a description; nothing if Halide does not multiply it.
static std::optional<Object> describeOperands(ContractOp op, const TargetInfo &target, bool isUnpacked) {
  Type lhs = getElementTypeOrSelf(op.getLhs()), rhs = getElementTypeOrSelf(op.getRhs()), sum = op.getElementType();
  Object fields;
  if (sum.isF32() && lhs.isF32() && (rhs.isF32() || isUnpacked))
    return fields;
  if (sum.isF32() && lhs.isF32() && op.isQuantized()) {
    // An offset would have to be added without rounding the product, which Halide does not promise.
    if (op.getOffsets() || !fits(*op.getBlockSize()))
      return std::nullopt;
    Object weights{{"bits", op.getLeast() ? 4 : 8}};
    if (op.getLeast())
      weights["least"] = static_cast<int64_t>(*op.getLeast());
    for (auto [name, values] : {std::pair{"scales", op.getScales()}, std::pair{"zeros", op.getZeros()}})
      if (values)
        weights[name] = nameOf(getElementTypeOrSelf(values));
    fields["weights"] = std::move(weights);
    fields["panel"] = op.getLeast() ? "u32" : "i8";
    return fields;
  }
  if (!sum.isInteger(32) || !lhs.isInteger(8) || !rhs.isInteger(8))
    return std::nullopt;
  fields["lhs"] = nameOf(lhs, op.getLhsUnsigned());
  fields["panel"] = nameOf(rhs, op.getRhsUnsigned());
  if (op.getGroup()) {
    // Groups of a row are read as words.
    if (!multipliesGroups(target) || !hasKnownStride(op.getLhs(), ContractOp::dimOf(op.getLhsOrder(), 2), 1) ||
        ContractOp::dimOf(op.getLhsOrder(), 2) != 2)
      return std::nullopt;
    fields["group"] = static_cast<int64_t>(*op.getGroup());
  }
  return fields;
}

/// What the extras of an epilogue are; nothing if Halide cannot read them.
static std::optional<Array> describeExtras(ContractOp op) {
  Array extras;
  for (auto [map, extra] : llvm::zip_equal(op.getExtraMaps().getAsValueRange<AffineMapAttr>(), op.getExtras())) {
    Type element = getElementTypeOrSelf(extra.getType());
    if (!element.isF32() && !element.isInteger(32))
      return std::nullopt;
    // Batch and constants choose the first element; rows and columns must be dimensions of their own.
    Array along;
    for (int64_t dim : {2, 1})
      for (auto [i, expr] : llvm::enumerate(map.getResults())) {
        if (!expr.isFunctionOfDim(dim))
          continue;
        // Columns are the innermost dimension; the emitter sees to it that they are dense.
        bool isLast = i + 1 == map.getNumResults();
        if (expr != getAffineDimExpr(dim, op.getContext()) || (dim == 2 && !isLast) ||
            !hasKnownStride(extra, i, isLast && dim == 1 ? 1 : 0))
          return std::nullopt;
        along.push_back(dim == 2 ? "column" : "row");
      }
    if (along.size() > 2)
      return std::nullopt;
    Object described{{"along", std::move(along)}};
    if (!element.isF32())
      described["type"] = nameOf(element);
    extras.push_back(std::move(described));
  }
  return extras;
}

static std::optional<std::string> describe(ContractOp op, const TargetInfo &target, bool isUnpacked) {
  auto lhs = cast<ShapedType>(op.getLhs().getType()), rhs = cast<ShapedType>(op.getRhs().getType());
  bool isCopied = op.getCopied() && !op.hasImages() && rhs.getElementType().isF32();
  int64_t group = op.getGroup().value_or(1),
          columns = isCopied ? target.panel(op.getElementType()) : op.getPacked() ? op.getLanes() : 0;
  if (!isServed(target) || columns == 0 || op.readsInit() || columns % target.lanes(op.getElementType()) ||
      columns > target.panel(op.getElementType()) || !fits(lhs.getDimSize(ContractOp::dimOf(op.getLhsOrder(), 2))))
    return std::nullopt;
  for (int64_t dim : {1, 2})
    if (!hasKnownStride(op.getLhs(), ContractOp::dimOf(op.getLhsOrder(), dim)))
      return std::nullopt;
  for (Value panels : {op.getRhs(), op.getScales(), op.getZeros(), op.getOffsets()})
    if (panels && !isCopied &&
        (!hasKnownStride(panels, 2, columns * (panels == op.getRhs() ? group : 1)) || !hasKnownStride(panels, 3, 1)))
      return std::nullopt;
  if (!hasKnownStride(op.getInit(), op.getOutDim(1)))
    return std::nullopt;
  std::optional<Object> description = describeOperands(op, target, isUnpacked);
  std::optional<Array> extras = describeExtras(op);
  StringRef result = nameOf(op.getResultElementType());
  if (!description || !extras || result.empty() || result == "f16")
    return std::nullopt;
  if (result != "f32")
    (*description)["result"] = result;
  (*description)["compute"] = "matrix_product";
  (*description)["columns"] = columns;
  (*description)["lhs_rows"] = op.getLhsRows() != nullptr;
  (*description)["extras"] = std::move(*extras);
  return finish(std::move(*description), target, op.getEpilogueBody());
}

std::optional<std::string> describeKernel(ContractOp op, const TargetInfo &target) {
  return describe(op, target, /*isUnpacked=*/false);
}

std::optional<std::string> describeUnpackedKernel(ContractOp op, const TargetInfo &target) {
  return describe(op, target, /*isUnpacked=*/true);
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
  Type element = getElementTypeOrSelf(op.getRhs());
  std::string kind;
  if (op.isQuantized())
    kind = llvm::formatv(" by {0} bits in blocks of {1}", leastOfFourBits(op) ? 4 : 8, *op.getBlockSize()).str();
  else if (!element.isF32())
    kind = llvm::formatv(" of {0}{1} by {2}{3}", op.getLhsUnsigned() ? "u" : "", getElementTypeOrSelf(lhs),
                         op.getRhsUnsigned() ? "u" : "", element)
               .str();
  return "product " +
         text({sizeOf(init, op.getOutOrder(), 0), sizeOf(init, op.getOutOrder(), 1), sizeOf(lhs, op.getLhsOrder(), 2),
               sizeOf(init, op.getOutOrder(), 2)}) +
         kind;
}

std::string describeWork(DepthwiseOp op) {
  return "depthwise " + text(cast<ShapedType>(op.getInit().getType()).getShape()) + " kernel " + text(op.getKernel()) +
         " strides " + text(op.getStrides()) + " dilations " + text(op.getDilations());
}

} // namespace mlir::ac
