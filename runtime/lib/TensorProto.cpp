//===- TensorProto.cpp - ONNX tensors in files ------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The wire format of protocol buffers is small enough to be read by hand: a varint key with the field number and one of
// four wire types, then the value. Only the fields of onnx.TensorProto that hold data of our element types are kept.
//
//===----------------------------------------------------------------------===//
#include "TensorProto.h"

#include "Failure.h"
#include "File.h"
#include "Types.h"

#include <cstring>

namespace accordion {

namespace {

/// onnx.TensorProto.DataType for each AcType, in its order.
constexpr int onnxTypes[numTypes] = {10, 16, 1, 11, 9, 3, 5, 6, 7, 2, 4, 12, 13};

enum Field {
  dimsField = 1,
  typeField = 2,
  floatField = 4,
  int32Field = 5,
  int64Field = 7,
  nameField = 8,
  rawField = 9,
  doubleField = 10,
  uint64Field = 11,
  locationField = 14
};

struct Span {
  const uint8_t *at = nullptr, *end = nullptr;
  uint64_t size() const { return static_cast<uint64_t>(end - at); }
};

class Parser {
public:
  Parser(Span span, const std::string &path) : span(span), path(path) {}

  HostTensor parse() {
    while (span.at < span.end)
      parseField();
    return build();
  }

private:
  [[noreturn]] void error(const std::string &why) {
    fail(AC_ERROR_FILE, "`%s` is not a readable ONNX tensor: %s", path.c_str(), why.c_str());
  }

  uint64_t varint(Span &from) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (from.at == from.end)
        error("it is truncated");
      uint8_t byte = *from.at++;
      value |= uint64_t(byte & 127) << shift;
      if (byte < 128)
        return value;
    }
    error("it is damaged");
  }

  Span bytes(uint64_t size) {
    if (size > span.size())
      error("it is truncated");
    Span part{span.at, span.at + size};
    span.at += size;
    return part;
  }

  void parseField() {
    uint64_t key = varint(span), field = key >> 3;
    Span value;
    uint64_t number = 0;
    switch (key & 7) {
    case 0:
      value.at = span.at;
      number = varint(span);
      value.end = span.at;
      break;
    case 1:
      value = bytes(8);
      break;
    case 2:
      value = bytes(varint(span));
      break;
    case 5:
      value = bytes(4);
      break;
    default:
      error("it is damaged");
    }
    bool isNumber = (key & 7) == 0;
    if (field == typeField && isNumber)
      onnxType = number;
    else if (field == locationField && isNumber && number == 1)
      error("its data lies in another file");
    else if (field == dimsField)
      while (value.at < value.end)
        dims.push_back(static_cast<int64_t>(varint(value)));
    else if (field == rawField)
      raw = value, hasRaw = true;
    // Repeated numbers come packed or one by one; both are the same bytes.
    else if (field == floatField || field == int32Field || field == int64Field || field == doubleField ||
             field == uint64Field)
      typed.push_back({field, value}), typedBytes += value.size();
  }

  HostTensor build() {
    int type = 0;
    while (type < numTypes && static_cast<uint64_t>(onnxTypes[type]) != onnxType)
      ++type;
    if (type == numTypes)
      error(format("its element type %llu has no counterpart among the types of models",
                   static_cast<unsigned long long>(onnxType)));
    AcType element = static_cast<AcType>(type);
    std::string what = "`" + path + "`";
    if (hasRaw) {
      HostTensor tensor = makeTensor(element, dims, raw.size(), what);
      if (static_cast<uint64_t>(tensor.bytes()) != raw.size())
        error("it has more data than its shape says");
      if (raw.size())
        memcpy(tensor.data.data(), raw.at, raw.size());
      return tensor;
    }
    // A number of a varint field takes a byte at least, whatever its type.
    size_t size = typeSize(element);
    HostTensor tensor = makeTensor(element, dims, typedBytes * 8, what);
    uint64_t expectedField = element == AC_TYPE_F32                             ? floatField
                             : element == AC_TYPE_F64                           ? doubleField
                             : element == AC_TYPE_I64                           ? int64Field
                             : element == AC_TYPE_U64 || element == AC_TYPE_U32 ? uint64Field
                                                                                : int32Field;
    char *at = tensor.data.data(), *end = at + tensor.bytes();
    for (auto &[field, values] : typed) {
      if (field != expectedField)
        error("its data does not fit its element type");
      while (values.at < values.end) {
        if (at == end)
          error("it has more data than its shape says");
        if (field == floatField || field == doubleField) {
          if (values.size() < size)
            error("it is truncated");
          memcpy(at, values.at, size);
          values.at += size;
        } else {
          uint64_t number = varint(values);
          memcpy(at, &number, size); // little endian: the low bytes come first
        }
        at += size;
      }
    }
    if (at != end)
      error("it has less data than its shape says");
    return tensor;
  }

  Span span;
  const std::string &path;
  std::vector<int64_t> dims;
  uint64_t onnxType = 0;
  bool hasRaw = false;
  Span raw;
  std::vector<std::pair<uint64_t, Span>> typed;
  uint64_t typedBytes = 0;
};

void addVarint(std::string &text, uint64_t value) {
  for (; value >= 128; value >>= 7)
    text += static_cast<char>(value | 128);
  text += static_cast<char>(value);
}

void addKey(std::string &text, int field, int wireType) {
  addVarint(text, static_cast<uint64_t>(field) << 3 | wireType);
}

} // namespace

HostTensor readTensorProto(const std::string &path) {
  File file = File::openForReading(path);
  uint64_t size = file.size();
  Buffer content(static_cast<int64_t>(size));
  file.readAt(content.data(), size, 0);
  const uint8_t *start = reinterpret_cast<const uint8_t *>(content.data());
  return Parser({start, start + size}, path).parse();
}

std::string tensorProtoHeader(const std::string &name, const AcTensor &tensor) {
  std::string text;
  for (int32_t i = 0; i < tensor.rank; ++i) {
    addKey(text, dimsField, 0);
    addVarint(text, static_cast<uint64_t>(tensor.dims[i]));
  }
  addKey(text, typeField, 0);
  addVarint(text, static_cast<uint64_t>(onnxTypes[tensor.type]));
  addKey(text, nameField, 2);
  addVarint(text, name.size());
  text += name;
  addKey(text, rawField, 2);
  addVarint(text, static_cast<uint64_t>(tensorBytes(tensor.type, tensor.dims, tensor.rank).value_or(0)));
  return text;
}

} // namespace accordion
