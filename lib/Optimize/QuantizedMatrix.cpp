//===- QuantizedMatrix.cpp - Constant matrices of small integers ----------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Optimize/QuantizedMatrix.h"
#include "Raise/Values.h"
#include "Support/Weights.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;
using namespace mlir::ac;

static ElementsAttr constantOf(Value value) {
  Operation *op = value ? value.getDefiningOp() : nullptr;
  if (!op || operatorOf(op) != "Constant")
    return {};
  auto elements = op->getAttrOfType<ElementsAttr>("value");
  bool isPlain = isa_and_nonnull<DenseElementsAttr>(elements);
  if (auto resource = dyn_cast_if_present<DenseResourceElementsAttr>(elements))
    isPlain = resource.getRawHandle().getBlob() != nullptr;
  return isPlain && elements.getElementType().isIntOrFloat() ? elements : ElementsAttr();
}

bool mlir::ac::isConstant(Value value) { return bool(constantOf(value)); }

/// The bytes of all elements; narrow integers take one each.
static SmallVector<char, 0> bytesOf(ElementsAttr value) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value))
    return SmallVector<char, 0>(resource.getRawHandle().getBlob()->getData());
  auto dense = cast<DenseElementsAttr>(value);
  ArrayRef<char> raw = dense.getRawData();
  SmallVector<char, 0> bytes(raw);
  if (dense.isSplat() && dense.getNumElements() > 1)
    for (int64_t i = 1; i < dense.getNumElements(); ++i)
      bytes.append(raw.begin(), raw.end());
  return bytes;
}

/// Integers of at most eight bits; nothing for other elements.
static std::optional<SmallVector<int16_t, 0>> smallIntegers(ElementsAttr value) {
  auto type = dyn_cast_if_present<IntegerType>(value ? value.getElementType() : Type());
  if (!type || type.getWidth() > 8 || type.getWidth() == 1)
    return std::nullopt;
  unsigned unused = 8 - type.getWidth();
  SmallVector<int16_t, 0> numbers;
  for (char byte : bytesOf(value)) {
    auto high = static_cast<uint8_t>(static_cast<uint8_t>(byte) << unused);
    numbers.push_back(type.isUnsigned() ? high >> unused : static_cast<int8_t>(high) >> unused);
  }
  return numbers;
}

/// Floats of 16 or 32 bits as f32; nothing for other elements.
static std::optional<SmallVector<float, 0>> floats(ElementsAttr value) {
  Type type = value ? value.getElementType() : Type();
  if (!type || !(type.isF32() || type.isF16() || type.isBF16()))
    return std::nullopt;
  SmallVector<char, 0> bytes = bytesOf(value);
  SmallVector<float, 0> numbers(value.getNumElements());
  if (type.isF32()) {
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    return numbers;
  }
  for (auto [i, number] : llvm::enumerate(numbers)) {
    uint16_t bits;
    std::memcpy(&bits, bytes.data() + 2 * i, 2);
    bool loses;
    APFloat wide(cast<FloatType>(type).getFloatSemantics(), APInt(16, bits));
    wide.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &loses);
    number = wide.convertToFloat();
  }
  return numbers;
}

namespace {
/// One dimension of the matrix in terms of a tensor behind it.
struct Dimension {
  int64_t axis, begin = 0, stride = 1, count;
};

/// Where the numbers of a matrix come from; element [n, k] by functions.
struct Parts {
  int64_t columns, depth, blockSize;
  llvm::function_ref<int64_t(int64_t n, int64_t k)> weight, zero; // zero: of block k
  llvm::function_ref<float(int64_t n, int64_t block)> scale;
  ArrayRef<float> offsets; // [columns, blocks], or empty
};
} // namespace

static ElementsAttr makeFloats(MLIRContext *context, ArrayRef<int64_t> shape, ArrayRef<float> values) {
  return makeWeight(RankedTensorType::get(shape, Float32Type::get(context)), "scales",
                    [&](MutableArrayRef<char> to) { std::memcpy(to.data(), values.data(), to.size()); });
}

static ElementsAttr makeBytes(MLIRContext *context, ArrayRef<int64_t> shape, ArrayRef<int16_t> values) {
  return makeWeight(RankedTensorType::get(shape, IntegerType::get(context, 8)), "weights",
                    [&](MutableArrayRef<char> to) { llvm::copy(values, to.begin()); });
}

/// The one form of them; nothing if weights less zero points are no bytes.
static QuantizedMatrix assemble(MLIRContext *context, const Parts &parts) {
  int64_t blocks = llvm::divideCeil(parts.depth, parts.blockSize);
  SmallVector<int16_t, 0> weights, zeros;
  SmallVector<float, 0> scales;
  for (int64_t n = 0; n < parts.columns; ++n) {
    for (int64_t k = 0; k < parts.depth; ++k)
      weights.push_back(parts.weight(n, k));
    for (int64_t block = 0; block < blocks; ++block) {
      zeros.push_back(parts.zero(n, block));
      scales.push_back(parts.scale(n, block));
    }
  }
  auto [least, most] = std::minmax_element(weights.begin(), weights.end());
  int64_t shift = zeros.front(); // from all, so that bytes hold them
  bool isSame = llvm::all_equal(zeros) && *least - shift >= -128 && *most - shift <= 127;
  if (!isSame)
    shift = *most > 127 || llvm::any_of(zeros, [](int16_t zero) { return zero > 127; }) ? 128 : 0;
  for (int16_t &weight : weights)
    weight -= shift;
  for (int16_t &zero : zeros)
    zero -= shift;
  QuantizedMatrix matrix{parts.columns, parts.depth, parts.blockSize, {}, {}, {}, {}};
  matrix.weights = makeBytes(context, {parts.columns, parts.depth}, weights);
  matrix.scales = makeFloats(context, {parts.columns, blocks}, scales);
  if (!isSame)
    matrix.zeros = makeBytes(context, {parts.columns, blocks}, zeros);
  if (!parts.offsets.empty())
    matrix.offsets = makeFloats(context, {parts.columns, blocks}, parts.offsets);
  return matrix;
}

/// Follows one slice inwards: constant bounds, steps forward.
static bool throughSlice(Operation *op, MutableArrayRef<Dimension> dims) {
  RankedTensorType type = rankedType(op->getOperand(0));
  auto ints = [&](unsigned i) {
    bool given = i < op->getNumOperands() && !isa<NoneType>(op->getOperand(i).getType());
    return given ? constantInts(op->getOperand(i)) : std::nullopt;
  };
  auto starts = ints(1), axes = normalized(ints(3), 2), steps = ints(4);
  if (!type || type.getRank() != 2 || !type.hasStaticShape() || !starts || starts->size() != 1 || !axes ||
      axes->size() != 1 || (steps && steps->size() != 1))
    return false;
  int64_t start = starts->front(), step = steps ? steps->front() : 1;
  if (start < 0)
    start += type.getDimSize(axes->front());
  if (step < 1 || start < 0 || start >= type.getDimSize(axes->front()))
    return false;
  // How many there are, the type of the result says.
  for (Dimension &dim : dims)
    if (dim.axis == axes->front()) {
      dim.begin = start + dim.begin * step;
      dim.stride *= step;
    }
  return true;
}

/// Reshape(Add(Reshape(x), offsets)) where the offsets are one for each block of a row of x; returns x.
static Value throughOffsets(Operation *reshape, int64_t &blockSize, ElementsAttr &offsets) {
  RankedTensorType type = rankedType(reshape->getResult(0));
  Operation *add = reshape->getOperand(0).getDefiningOp();
  if (!add || operatorOf(add) != "Add" || !type || type.getRank() != 2)
    return {};
  for (unsigned side : {0u, 1u}) {
    Operation *blocks = add->getOperand(side).getDefiningOp();
    ElementsAttr other = constantOf(add->getOperand(1 - side));
    if (!blocks || operatorOf(blocks) != "Reshape" || !other || !other.getElementType().isF32())
      continue;
    RankedTensorType split = rankedType(blocks->getResult(0)), source = rankedType(blocks->getOperand(0));
    if (!split || split.getRank() != 3 || !split.hasStaticShape() || source != type ||
        split.getDimSize(0) != type.getDimSize(0) || split.getDimSize(1) * split.getDimSize(2) != type.getDimSize(1) ||
        rankedType(add->getResult(0)) != split)
      continue;
    if (other.getShapedType().getShape() != ArrayRef<int64_t>{split.getDimSize(0), split.getDimSize(1), 1})
      continue;
    blockSize = split.getDimSize(2);
    offsets = other;
    return blocks->getOperand(0);
  }
  return {};
}

std::optional<QuantizedMatrix> QuantizedMatrix::behind(Value right, bool transposed) {
  auto type = rankedType(right);
  if (!type || !type.hasStaticShape() || type.getNumElements() == 0 || !type.getElementType().isF32())
    return std::nullopt;
  Dimension dims[] = {{transposed, 0, 1, type.getDimSize(transposed)},    // depth
                      {!transposed, 0, 1, type.getDimSize(!transposed)}}; // columns
  auto &[k, n] = dims;
  int64_t offsetBlock = 0;
  ElementsAttr offsetValues;
  Operation *op = right.getDefiningOp();
  for (; op && operatorOf(op) != "DequantizeLinear"; op = right.getDefiningOp()) {
    StringRef name = operatorOf(op);
    right = op->getOperands().empty() ? Value() : op->getOperand(0);
    if (name == "Transpose") {
      auto perm = op->getAttrOfType<DenseI64ArrayAttr>("perm");
      if (perm && perm.asArrayRef() != ArrayRef<int64_t>{1, 0})
        return std::nullopt;
      std::swap(k.axis, n.axis);
    } else if (name == "Slice") {
      if (offsetValues || !throughSlice(op, dims))
        return std::nullopt;
    } else if (name == "Reshape" && !offsetValues && k.axis == 1) {
      right = throughOffsets(op, offsetBlock, offsetValues);
    } else if (name != "Identity") {
      return std::nullopt;
    }
    if (!right)
      return std::nullopt;
  }
  if (!op)
    return std::nullopt;
  auto integersType = rankedType(op->getOperand(0)), scaleType = rankedType(op->getOperand(1));
  if (!integersType || integersType.getRank() != 2 || k.begin != 0 || k.stride != 1 || !scaleType ||
      k.count != integersType.getDimSize(k.axis))
    return std::nullopt;
  auto weights = smallIntegers(constantOf(op->getOperand(0)));
  auto scales = floats(constantOf(op->getOperand(1)));
  bool hasZeros = op->getNumOperands() > 2 && !isa<NoneType>(op->getOperand(2).getType());
  auto zeros = hasZeros ? smallIntegers(constantOf(op->getOperand(2))) : std::nullopt;
  if (!weights || !scales || !rankedType(op->getOperand(1)).getElementType().isF32() || (hasZeros && !zeros) ||
      (zeros && zeros->size() != scales->size()))
    return std::nullopt;

  // Strides of the scales along the blocks of a column and along the columns.
  int64_t block = intOf(op, "block_size", 0), axis = intOf(op, "axis", 1), blockStride = 0, columnStride = 0;
  axis += axis < 0 ? 2 : 0;
  if (scales->size() != 1 && scaleType.getRank() == 1) {
    if (axis != n.axis || scaleType.getDimSize(0) != integersType.getDimSize(n.axis))
      return std::nullopt;
    columnStride = 1;
    block = k.count;
  } else if (scales->size() == 1) {
    block = k.count;
  } else {
    SmallVector<int64_t> shape(integersType.getShape());
    if (axis != k.axis || block < 1)
      return std::nullopt;
    shape[axis] = llvm::divideCeil(k.count, block);
    if (scaleType.getShape() != ArrayRef<int64_t>(shape))
      return std::nullopt;
    blockStride = axis == 1 ? 1 : shape[1];
    columnStride = axis == 1 ? shape[1] : 1;
  }
  // Offsets have blocks of their own; those of the scales may be whole columns.
  if (offsetValues && offsetBlock != block)
    return std::nullopt;
  SmallVector<float, 0> offsets;
  if (offsetValues)
    for (int64_t i = 0, blocks = k.count / block; i < n.count; ++i)
      llvm::append_range(offsets, ArrayRef(*floats(offsetValues)).slice((n.begin + i * n.stride) * blocks, blocks));
  int64_t width = integersType.getDimSize(1);
  auto place = [&](int64_t column, int64_t index) {
    int64_t at = n.begin + column * n.stride;
    return k.axis == 1 ? at * width + index : index * width + at;
  };
  auto parameter = [&](int64_t column, int64_t index) {
    return (n.begin + column * n.stride) * columnStride + index * blockStride;
  };
  auto weight = [&](int64_t column, int64_t index) -> int64_t { return (*weights)[place(column, index)]; };
  auto zero = [&](int64_t column, int64_t index) -> int64_t { return zeros ? (*zeros)[parameter(column, index)] : 0; };
  auto scale = [&](int64_t column, int64_t index) { return (*scales)[parameter(column, index)]; };
  return assemble(op->getContext(), {n.count, k.count, block, weight, zero, scale, offsets});
}

std::optional<QuantizedMatrix> QuantizedMatrix::ofMatMulNBits(Operation *op, Value &bias, std::string &why) {
  auto refuse = [&](const Twine &reason) {
    why = reason.str();
    return std::nullopt;
  };
  auto input = [&](unsigned i) {
    return i < op->getNumOperands() && !isa<NoneType>(op->getOperand(i).getType()) ? op->getOperand(i) : Value();
  };
  int64_t columns = intOf(op, "N", 0), depth = intOf(op, "K", 0), bits = intOf(op, "bits", 4),
          block = intOf(op, "block_size", 0);
  if (columns < 1 || depth < 1 || block < 1 || (bits != 4 && bits != 8))
    return refuse("it has N " + Twine(columns) + ", K " + Twine(depth) + ", block_size " + Twine(block) + " and bits " +
                  Twine(bits) + ", expected positive ones and 4 or 8 bits");
  if (input(4))
    return refuse("it has a group index (input 4)");
  bias = input(5);
  ElementsAttr stored = constantOf(input(1)), zerosStored = constantOf(input(3));
  auto scales = floats(constantOf(input(2)));
  if (!stored || !stored.getElementType().isInteger(8) || !scales)
    return refuse("its weights are no constant bytes with constant floats as scales");
  if (input(3) && (!zerosStored || !zerosStored.getElementType().isInteger(8)))
    return refuse("its zero points are no constant bytes");
  int64_t blocks = llvm::divideCeil(depth, block), blob = llvm::divideCeil(block * bits, 8),
          zeroRow = llvm::divideCeil(blocks * bits, 8);
  if (stored.getNumElements() != columns * blocks * blob || static_cast<int64_t>(scales->size()) != columns * blocks ||
      (zerosStored && zerosStored.getNumElements() != columns * zeroRow))
    return refuse("its weights, scales or zero points are not as many as N, K and block_size ask for");
  SmallVector<char, 0> bytes = bytesOf(stored), zeroBytes = zerosStored ? bytesOf(zerosStored) : SmallVector<char, 0>();
  // The lower half of a byte comes first.
  auto number = [&](ArrayRef<char> from, int64_t row, int64_t i) -> int64_t {
    auto byte = static_cast<uint8_t>(from[row + i * bits / 8]);
    return bits == 8 ? byte : byte >> (i % 2 * 4) & 15;
  };
  auto weight = [&](int64_t n, int64_t k) { return number(bytes, (n * blocks + k / block) * blob, k % block); };
  auto zero = [&](int64_t n, int64_t i) {
    return zerosStored ? number(zeroBytes, n * zeroRow, i) : int64_t(1) << (bits - 1);
  };
  auto scale = [&](int64_t n, int64_t i) { return (*scales)[n * blocks + i]; };
  return assemble(op->getContext(), {columns, depth, block, weight, zero, scale, {}});
}
