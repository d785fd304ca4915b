//===- Tensors.cpp - ONNX tensors as attributes ---------------------------===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Import/ONNX/Tensors.h"
#include "Import/ONNX/ImportError.h"
#include "Import/ONNX/Types.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::ac;
using ::onnx::TensorProto;

namespace {

/// Larger tensors are resources: the printer of an attribute this small stays readable.
constexpr int64_t maxInlineElements = 64;

std::string describeTensor(const TensorProto &tensor) { return "tensor `" + tensor.name() + "`"; }

/// Bits of an element in `raw_data`; 0 for strings and unknown types.
unsigned packedBits(int32_t dataType) {
  switch (dataType) {
  case TensorProto::INT2:
  case TensorProto::UINT2:
    return 2;
  case TensorProto::INT4:
  case TensorProto::UINT4:
  case TensorProto::FLOAT4E2M1:
    return 4;
  case TensorProto::FLOAT6E2M3:
  case TensorProto::FLOAT6E3M2:
    return 6;
  case TensorProto::BOOL:
  case TensorProto::INT8:
  case TensorProto::UINT8:
  case TensorProto::FLOAT8E4M3FN:
  case TensorProto::FLOAT8E4M3FNUZ:
  case TensorProto::FLOAT8E5M2:
  case TensorProto::FLOAT8E5M2FNUZ:
  case TensorProto::FLOAT8E8M0:
    return 8;
  case TensorProto::INT16:
  case TensorProto::UINT16:
  case TensorProto::FLOAT16:
  case TensorProto::BFLOAT16:
    return 16;
  case TensorProto::FLOAT:
  case TensorProto::INT32:
  case TensorProto::UINT32:
    return 32;
  case TensorProto::DOUBLE:
  case TensorProto::INT64:
  case TensorProto::UINT64:
  case TensorProto::COMPLEX64:
    return 64;
  case TensorProto::COMPLEX128:
    return 128;
  default:
    return 0;
  }
}

/// What `raw_data` would hold, from the typed fields.
std::string bytesOfTypedFields(const TensorProto &tensor) {
  std::string bytes;
  auto append = [&](const auto &field, unsigned size) {
    bytes.reserve(field.size() * size);
    for (auto value : field)
      bytes.append(reinterpret_cast<const char *>(&value), size); // little endian: the low bytes come first
  };
  switch (tensor.data_type()) {
  case TensorProto::FLOAT:
  case TensorProto::COMPLEX64:
    append(tensor.float_data(), 4);
    break;
  case TensorProto::DOUBLE:
  case TensorProto::COMPLEX128:
    append(tensor.double_data(), 8);
    break;
  case TensorProto::INT64:
    append(tensor.int64_data(), 8);
    break;
  case TensorProto::UINT64:
    append(tensor.uint64_data(), 8);
    break;
  case TensorProto::UINT32:
    append(tensor.uint64_data(), 4);
    break;
  default:
    append(tensor.int32_data(), std::max(1u, packedBits(tensor.data_type()) / 8));
    break;
  }
  return bytes;
}

/// One element per byte, the element in the low bits.
std::string unpack(llvm::StringRef packed, unsigned bits, int64_t count) {
  std::string bytes(count, '\0');
  for (int64_t i = 0; i < count; ++i) {
    int64_t position = i * bits;
    unsigned value = static_cast<uint8_t>(packed[position / 8]);
    if (position % 8 + bits > 8)
      value |= static_cast<unsigned>(static_cast<uint8_t>(packed[position / 8 + 1])) << 8;
    bytes[i] = (value >> (position % 8)) & ((1u << bits) - 1);
  }
  return bytes;
}

RankedTensorType getTensorType(const TensorProto &tensor, MLIRContext *context) {
  Type element = elementTypeFromONNX(tensor.data_type(), context);
  if (!element)
    throw ImportError(describeTensor(tensor) + " has the unknown element type " + Twine(tensor.data_type()));
  return RankedTensorType::get(llvm::to_vector(tensor.dims()), element);
}

ElementsAttr makeAttribute(RankedTensorType type, llvm::StringRef name, llvm::StringRef bytes,
                           llvm::unique_function<AsmResourceBlob()> makeBlob) {
  int64_t count = type.getNumElements();
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> values;
    values.reserve(count);
    for (char c : bytes)
      values.push_back(c != 0);
    return DenseElementsAttr::get(type, values);
  }
  size_t width = count ? bytes.size() / count : 0;
  bool isSplat = count > 1 && std::equal(bytes.begin() + width, bytes.end(), bytes.begin());
  if (isSplat || count <= maxInlineElements) {
    llvm::StringRef data = isSplat ? bytes.take_front(width) : bytes;
    return DenseElementsAttr::getFromRawBuffer(type, ArrayRef<char>(data.data(), data.size()));
  }
  return DenseResourceElementsAttr::get(type, name.empty() ? "constant" : name, makeBlob());
}

} // namespace

int64_t mlir::ac::getNumElements(const TensorProto &tensor) {
  int64_t count = 1;
  bool overflow = false, empty = false;
  for (int64_t size : tensor.dims()) {
    if (size < 0)
      throw ImportError(describeTensor(tensor) + " has the negative dimension " + Twine(size));
    empty |= size == 0;
    overflow |= llvm::MulOverflow(count, size, count);
  }
  // Leave room for the multiplication by an element's size.
  if (!empty && (overflow || count > (int64_t(1) << 56)))
    throw ImportError(describeTensor(tensor) + " has more elements than can be addressed");
  return empty ? 0 : count;
}

int64_t mlir::ac::getRawSize(const TensorProto &tensor) {
  return llvm::divideCeil(getNumElements(tensor) * packedBits(tensor.data_type()), 8);
}

ExternalData::Slice ExternalData::get(const TensorProto &tensor) {
  std::string location;
  int64_t offset = 0, length = -1, size = getRawSize(tensor);
  for (const auto &entry : tensor.external_data()) {
    llvm::StringRef value = entry.value();
    bool bad = false;
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "offset")
      bad = value.getAsInteger(10, offset) || offset < 0;
    else if (entry.key() == "length")
      bad = value.getAsInteger(10, length) || length < 0;
    if (bad)
      throw ImportError(describeTensor(tensor) + ": external data has the " + entry.key() + " `" + value + "`");
  }
  if (location.empty())
    throw ImportError(describeTensor(tensor) + " is stored externally but names no file");
  // Both the name and, after symbolic links, the file itself must lie in the model's folder.
  llvm::SmallString<256> path(baseDir.empty() ? "." : baseDir), folder, real;
  bool leaves =
      llvm::sys::path::is_absolute(location) ||
      llvm::is_contained(llvm::make_range(llvm::sys::path::begin(location), llvm::sys::path::end(location)), "..");
  if (!leaves) {
    llvm::sys::fs::real_path(path, folder);
    llvm::sys::path::append(path, location);
    if (llvm::sys::fs::real_path(path, real))
      throw ImportError(describeTensor(tensor) + ": its data file `" + location + "` is not beside the model");
    llvm::SmallString<256> prefix = folder;
    if (!prefix.ends_with("/"))
      prefix += "/";
    leaves = !real.starts_with(prefix);
  }
  if (leaves)
    throw ImportError(describeTensor(tensor) + ": its data file `" + location + "` is outside the model's folder");
  std::shared_ptr<llvm::MemoryBuffer> &file = files[real];
  if (!file) {
    llvm::sys::fs::file_status status;
    if (llvm::sys::fs::status(real, status) || !llvm::sys::fs::is_regular_file(status))
      throw ImportError(describeTensor(tensor) + ": its data file `" + location + "` is not a regular file");
    auto buffer = llvm::MemoryBuffer::getFile(real, /*IsText=*/false, /*RequiresNullTerminator=*/false);
    if (!buffer)
      throw ImportError(describeTensor(tensor) + ": cannot read `" + location + "`: " + buffer.getError().message());
    file = std::move(*buffer);
  }
  if (onFile)
    onFile(location);
  int64_t available = file->getBufferSize();
  if (length >= 0 && length != size)
    throw ImportError(describeTensor(tensor) + " takes " + Twine(size) +
                      " bytes by its shape and type, but its external data has " + Twine(length));
  if (offset > available || size > available - offset)
    throw ImportError(describeTensor(tensor) + " wants bytes " + Twine(offset) + " to " + Twine(offset + size) +
                      " of `" + location + "`, which has " + Twine(available) +
                      ": the file is truncated or belongs to another model");
  return {file, file->getBuffer().substr(offset, size)};
}

ElementsAttr mlir::ac::tensorFromONNX(TensorProto &tensor, llvm::StringRef name, ExternalData &external,
                                      MLIRContext *context) {
  int64_t count = getNumElements(tensor);
  RankedTensorType type = getTensorType(tensor, context);
  bool isExternal = tensor.data_location() == TensorProto::EXTERNAL;
  if (tensor.data_type() == TensorProto::STRING) {
    if (isExternal)
      throw ImportError(describeTensor(tensor) + " holds strings, which cannot be external data");
    if (tensor.string_data_size() != count)
      throw ImportError(describeTensor(tensor) + " has " + Twine(count) + " elements but " +
                        Twine(tensor.string_data_size()) + " strings");
    SmallVector<llvm::StringRef> values(tensor.string_data().begin(), tensor.string_data().end());
    return DenseElementsAttr::get(type, values);
  }

  unsigned bits = packedBits(tensor.data_type());
  int64_t size = getRawSize(tensor);
  ExternalData::Slice slice;
  auto owned = std::make_shared<std::string>();
  if (isExternal) {
    slice = external.get(tensor);
  } else {
    if (tensor.has_raw_data() && (count == 0 || !tensor.raw_data().empty()))
      *owned = std::move(*tensor.mutable_raw_data());
    else
      *owned = bytesOfTypedFields(tensor);
    // Exporters were seen to pad raw data; the library's checker allows it too.
    if (static_cast<int64_t>(owned->size()) < size)
      throw ImportError(describeTensor(tensor) + " takes " + Twine(size) + " bytes by its shape and type, but has " +
                        Twine(owned->size()));
    slice.bytes = llvm::StringRef(*owned).take_front(size);
  }
  if (bits < 8) {
    *owned = unpack(slice.bytes, bits, count);
    slice = {nullptr, *owned};
  }
  size_t alignment = std::min<size_t>(std::max(1u, bits / 8), 8);
  return makeAttribute(type, name, slice.bytes, [&]() -> AsmResourceBlob {
    ArrayRef<char> data(slice.bytes.data(), slice.bytes.size());
    if (reinterpret_cast<uintptr_t>(data.data()) % alignment)
      return HeapAsmResourceBlob::allocateAndCopyWithAlign(data, alignment, /*dataIsMutable=*/false);
    return AsmResourceBlob(
        data, alignment, [owned, file = slice.file](void *, size_t, size_t) {},
        /*dataIsMutable=*/false);
  });
}

ElementsAttr mlir::ac::sparseTensorFromONNX(::onnx::SparseTensorProto &sparse, llvm::StringRef name,
                                            ExternalData &external, MLIRContext *context) {
  TensorProto dense;
  dense.set_name(sparse.values().name());
  dense.set_data_type(sparse.values().data_type());
  *dense.mutable_dims() = sparse.dims();
  int64_t count = getNumElements(dense), size = getRawSize(dense);
  unsigned bits = packedBits(dense.data_type());
  if (bits < 8 || size > (int64_t(1) << 31))
    throw ImportError("sparse " + describeTensor(dense) +
                      " cannot be made dense: it holds strings or sub-byte elements, or takes over 2 GiB");
  auto bytesOf = [&](const TensorProto &tensor) -> std::string {
    std::string bytes = tensor.data_location() == TensorProto::EXTERNAL ? external.get(tensor).bytes.str()
                        : tensor.has_raw_data()                         ? tensor.raw_data()
                                                                        : bytesOfTypedFields(tensor);
    if (static_cast<int64_t>(bytes.size()) < getRawSize(tensor))
      throw ImportError("sparse " + describeTensor(dense) + " has too few values or indices");
    return bytes;
  };
  std::string values = bytesOf(sparse.values()), indices = bytesOf(sparse.indices()), bytes(size, '\0');
  int64_t width = bits / 8, stored = getNumElements(sparse.values()), rank = sparse.dims_size();
  bool isLinear = sparse.indices().dims_size() == 1;
  if (stored && (sparse.indices().data_type() != TensorProto::INT64 ||
                 getNumElements(sparse.indices()) != stored * (isLinear ? 1 : rank)))
    throw ImportError("sparse " + describeTensor(dense) + " has indices that do not fit its values");
  const auto *index = reinterpret_cast<const int64_t *>(indices.data());
  for (int64_t i = 0; i < stored; ++i) {
    int64_t position = 0;
    if (isLinear) {
      position = index[i];
    } else {
      for (int64_t d = 0; d < rank; ++d) {
        int64_t at = index[i * rank + d];
        if (at < 0 || at >= sparse.dims(d))
          throw ImportError("sparse " + describeTensor(dense) + " has the index " + Twine(at) +
                            " in a dimension of size " + Twine(sparse.dims(d)));
        position = position * sparse.dims(d) + at;
      }
    }
    if (position < 0 || position >= count)
      throw ImportError("sparse " + describeTensor(dense) + " has the index " + Twine(position) + " of " +
                        Twine(count) + " elements");
    std::copy_n(values.data() + i * width, width, bytes.data() + position * width);
  }
  dense.set_raw_data(std::move(bytes));
  return tensorFromONNX(dense, name, external, context);
}
