//===- Npy.cpp - NumPy's array files ----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Npy.h"

#include "Failure.h"
#include "File.h"
#include "Types.h"

#include <algorithm>
#include <cstring>

namespace accordion {

namespace {

struct DtypeRow {
  const char *code; ///< without the byte order
  AcType type;
};
constexpr DtypeRow dtypeTable[] = {{"f2", AC_TYPE_F16}, {"f4", AC_TYPE_F32}, {"f8", AC_TYPE_F64}, {"b1", AC_TYPE_BOOL},
                                   {"i1", AC_TYPE_I8},  {"i2", AC_TYPE_I16}, {"i4", AC_TYPE_I32}, {"i8", AC_TYPE_I64},
                                   {"u1", AC_TYPE_U8},  {"u2", AC_TYPE_U16}, {"u4", AC_TYPE_U32}, {"u8", AC_TYPE_U64},
                                   {"V2", AC_TYPE_BF16}};

constexpr char npyMagic[] = "\x93NUMPY";

/// The header is the text of a Python dict with the three keys `descr`, `fortran_order` and `shape`.
class HeaderParser {
public:
  HeaderParser(const std::string &text, const std::string &what) : text(text), what(what) {}

  std::string dtype;
  bool fortranOrder = false;
  std::vector<int64_t> shape;

  void parse() {
    bool sawDtype = false, sawOrder = false, sawShape = false;
    expect('{');
    while (!accept('}')) {
      std::string key = parseString();
      expect(':');
      if (key == "descr") {
        if (peek() != '\'' && peek() != '"')
          error("it has structured elements");
        dtype = parseString();
        sawDtype = true;
      } else if (key == "fortran_order") {
        fortranOrder = parseBool();
        sawOrder = true;
      } else if (key == "shape") {
        parseShape();
        sawShape = true;
      } else {
        error("its header has the unknown key `" + key + "`");
      }
      if (!accept(',') && peek() != '}')
        error("its header is damaged");
    }
    if (!sawDtype || !sawOrder || !sawShape)
      error("its header lacks `descr`, `fortran_order` or `shape`");
  }

  [[noreturn]] void error(const std::string &why) {
    fail(AC_ERROR_FILE, "%s is not a readable .npy array: %s", what.c_str(), why.c_str());
  }

private:
  char peek() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t'))
      ++at;
    return at < text.size() ? text[at] : '\0';
  }
  bool accept(char c) {
    if (peek() != c)
      return false;
    ++at;
    return true;
  }
  void expect(char c) {
    if (!accept(c))
      error("its header is damaged");
  }
  std::string parseString() {
    char quote = peek();
    if (quote != '\'' && quote != '"')
      error("its header is damaged");
    size_t end = text.find(quote, ++at);
    if (end == std::string::npos)
      error("its header is damaged");
    std::string value = text.substr(at, end - at);
    at = end + 1;
    return value;
  }
  bool parseBool() {
    peek();
    for (bool value : {true, false}) {
      const char *word = value ? "True" : "False";
      if (text.compare(at, strlen(word), word) == 0) {
        at += strlen(word);
        return value;
      }
    }
    error("its header is damaged");
  }
  void parseShape() {
    expect('(');
    while (!accept(')')) {
      int64_t size = 0;
      if (peek() < '0' || peek() > '9')
        error("its shape is damaged");
      for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at)
        if (__builtin_mul_overflow(size, int64_t(10), &size) ||
            __builtin_add_overflow(size, int64_t(text[at] - '0'), &size))
          error("its shape is impossible");
      accept('L'); // Python 2 wrote long integers so
      shape.push_back(size);
      if (!accept(',') && peek() != ')')
        error("its shape is damaged");
    }
  }

  const std::string &text;
  const std::string &what;
  size_t at = 0;
};

void swapBytes(char *data, int64_t bytes, size_t size) {
  for (char *end = data + bytes; data < end; data += size)
    std::reverse(data, data + size);
}

/// From the order in which the first index runs fastest to the one in which the last does.
void fromFortranOrder(HostTensor &tensor) {
  int64_t bytes = tensor.bytes(), size = static_cast<int64_t>(typeSize(tensor.type));
  size_t rank = tensor.dims.size();
  if (rank < 2 || bytes == 0)
    return;
  Buffer result(bytes);
  std::vector<int64_t> strides(rank), index(rank, 0);
  for (size_t i = 0; i < rank; ++i)
    strides[i] = i ? strides[i - 1] * tensor.dims[i - 1] : size;
  int64_t source = 0;
  for (int64_t target = 0; target < bytes; target += size) {
    memcpy(result.data() + target, tensor.data.data() + source, size);
    for (size_t d = rank; d-- > 0;) {
      source += strides[d];
      if (++index[d] < tensor.dims[d])
        break;
      source -= strides[d] * tensor.dims[d];
      index[d] = 0;
    }
  }
  tensor.data = std::move(result);
}

} // namespace

HostTensor readNpy(const ByteSource &source, uint64_t available, const std::string &what) {
  unsigned char start[12];
  if (available < 10)
    fail(AC_ERROR_FILE, "%s is not a .npy array: it is too short", what.c_str());
  source(start, 10);
  available -= 10;
  if (memcmp(start, npyMagic, 6) != 0)
    fail(AC_ERROR_FILE, "%s is not a .npy array", what.c_str());
  if (start[6] < 1 || start[6] > 3)
    fail(AC_ERROR_FILE, "%s has version %d of the .npy format, 1 to 3 are known", what.c_str(), start[6]);
  uint64_t length = start[8] | start[9] << 8;
  if (start[6] > 1) {
    if (available < 2)
      fail(AC_ERROR_FILE, "%s is truncated", what.c_str());
    source(start + 10, 2);
    available -= 2;
    length |= uint64_t(start[10]) << 16 | uint64_t(start[11]) << 24;
  }
  if (length > available || length > (1 << 20))
    fail(AC_ERROR_FILE, "%s is truncated or damaged: its header claims %llu bytes", what.c_str(),
         static_cast<unsigned long long>(length));
  std::string text(length, '\0');
  source(&text[0], length);
  available -= length;

  HeaderParser header(text, what);
  header.parse();
  char order = header.dtype.empty() ? '\0' : header.dtype[0];
  bool hasOrder = order == '<' || order == '>' || order == '|' || order == '=';
  std::string code = header.dtype.substr(hasOrder ? 1 : 0);
  const DtypeRow *row =
      std::find_if(std::begin(dtypeTable), std::end(dtypeTable), [&](const DtypeRow &row) { return code == row.code; });
  if (row == std::end(dtypeTable))
    header.error("element type `" + header.dtype + "` has no counterpart among the types of models");
  HostTensor tensor = makeTensor(row->type, header.shape, available, what);
  tensor.mayBeBf16 = row->type == AC_TYPE_BF16 || row->type == AC_TYPE_U16;
  source(tensor.data.data(), static_cast<size_t>(tensor.bytes()));
  if (order == '>')
    swapBytes(tensor.data.data(), tensor.bytes(), typeSize(tensor.type));
  if (header.fortranOrder)
    fromFortranOrder(tensor);
  return tensor;
}

HostTensor readNpyFile(const std::string &path) {
  File file = File::openForReading(path);
  uint64_t offset = 0;
  auto source = [&](void *data, size_t bytes) {
    file.readAt(data, bytes, offset);
    offset += bytes;
  };
  return readNpy(source, file.size(), "`" + path + "`");
}

std::string npyHeader(const AcTensor &tensor) {
  std::string code;
  for (const DtypeRow &row : dtypeTable)
    if (row.type == tensor.type)
      code = row.code;
  std::string shape;
  for (int32_t i = 0; i < tensor.rank; ++i)
    shape += std::to_string(tensor.dims[i]) + (tensor.rank == 1 || i + 1 < tensor.rank ? ", " : "");
  std::string dict = format("{'descr': '%c%s', 'fortran_order': False, 'shape': (%s), }",
                            typeSize(tensor.type) == 1 ? '|' : '<', code.c_str(), shape.c_str());
  // The elements begin at a multiple of 64 bytes; ranks beyond the thousands need the longer header of version 2.
  bool isLong = dict.size() > 65000;
  size_t prefix = isLong ? 12 : 10;
  dict.append(63 - (prefix + dict.size()) % 64, ' ');
  dict += '\n';
  std::string text(npyMagic, 6);
  text += isLong ? '\2' : '\1';
  text += '\0';
  for (size_t i = 0; i < prefix - 8; ++i)
    text += static_cast<char>(dict.size() >> 8 * i & 255);
  return text + dict;
}

} // namespace accordion
