//===- Npz.cpp - Archives of arrays -----------------------------*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "Npz.h"

#include "Failure.h"
#include "Inflate.h"
#include "Npy.h"
#include "Types.h"

#include <algorithm>
#include <cstring>

namespace accordion {

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static uint64_t little(const unsigned char *data, int bytes) {
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;)
    value = value << 8 | data[i];
  return value;
}

static constexpr uint32_t localMagic = 0x04034b50, entryMagic = 0x02014b50, endMagic = 0x06054b50,
                          end64Magic = 0x06064b50, locatorMagic = 0x07064b50;
static constexpr uint32_t unknown32 = 0xffffffff;

void NpzReader::damaged(const char *why) const {
  fail(AC_ERROR_FILE, "`%s` is not a readable .npz archive: %s", file.path.c_str(), why);
}

NpzReader::NpzReader(const std::string &path) : file(File::openForReading(path)), fileSize(file.size()) {
  constexpr uint64_t endSize = 22, locatorSize = 20, end64Size = 56;
  if (fileSize < endSize)
    damaged("it is too short");
  // The end record is last but for a comment of at most 64 KB.
  uint64_t tailSize = std::min<uint64_t>(fileSize, endSize + 0xffff + locatorSize);
  std::vector<unsigned char> tail(tailSize);
  file.readAt(tail.data(), tailSize, fileSize - tailSize);
  uint64_t at = tailSize - endSize;
  while (little(&tail[at], 4) != endMagic) {
    if (at == 0)
      damaged("it is truncated, or no zip file");
    --at;
  }
  uint64_t count = little(&tail[at + 10], 2), size = little(&tail[at + 12], 4), offset = little(&tail[at + 16], 4);
  if (at >= locatorSize && little(&tail[at - locatorSize], 4) == locatorMagic) {
    uint64_t end64 = little(&tail[at - locatorSize + 8], 8);
    unsigned char record[end64Size];
    if (end64 > fileSize || fileSize - end64 < end64Size)
      damaged("its 64-bit directory lies outside the file");
    file.readAt(record, end64Size, end64);
    if (little(record, 4) != end64Magic)
      damaged("its 64-bit directory is missing");
    count = little(record + 32, 8);
    size = little(record + 40, 8);
    offset = little(record + 48, 8);
  }
  if (offset > fileSize || size > fileSize - offset)
    damaged("its directory lies outside the file");
  readDirectory(offset, size, count);
}

void NpzReader::readDirectory(uint64_t offset, uint64_t size, uint64_t count) {
  constexpr uint64_t fixedSize = 46;
  std::vector<unsigned char> directory(size);
  if (size)
    file.readAt(directory.data(), size, offset);
  uint64_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (size - at < fixedSize || little(&directory[at], 4) != entryMagic)
      damaged("its directory is damaged");
    const unsigned char *fixed = &directory[at];
    uint64_t nameSize = little(fixed + 28, 2), extraSize = little(fixed + 30, 2), commentSize = little(fixed + 32, 2);
    if (size - at - fixedSize < nameSize + extraSize + commentSize)
      damaged("its directory is damaged");
    if (little(fixed + 8, 2) & 1)
      damaged("it is encrypted");
    Entry entry;
    entry.method = static_cast<uint32_t>(little(fixed + 10, 2));
    entry.crc = static_cast<uint32_t>(little(fixed + 16, 4));
    entry.compressedSize = little(fixed + 20, 4);
    entry.size = little(fixed + 24, 4);
    entry.headerOffset = little(fixed + 42, 4);
    entry.name.assign(reinterpret_cast<const char *>(fixed) + fixedSize, nameSize);
    // Sizes that do not fit 32 bits stand in an extra field, in this order and only those.
    const unsigned char *extra = fixed + fixedSize + nameSize, *extraEnd = extra + extraSize;
    while (extraEnd - extra >= 4) {
      uint64_t id = little(extra, 2), length = little(extra + 2, 2);
      extra += 4;
      if (length > static_cast<uint64_t>(extraEnd - extra))
        break;
      if (id == 1) {
        const unsigned char *value = extra;
        for (uint64_t *field : {&entry.size, &entry.compressedSize, &entry.headerOffset})
          if (*field == unknown32 && extra + length - value >= 8) {
            *field = little(value, 8);
            value += 8;
          }
      }
      extra += length;
    }
    if (entry.name.size() > 4 && entry.name.compare(entry.name.size() - 4, 4, ".npy") == 0)
      entry.name.resize(entry.name.size() - 4);
    entries.push_back(std::move(entry));
    at += fixedSize + nameSize + extraSize + commentSize;
  }
}

std::vector<std::string> NpzReader::names() const {
  std::vector<std::string> names;
  for (const Entry &entry : entries)
    names.push_back(entry.name);
  return names;
}

const NpzReader::Entry *NpzReader::find(const std::string &name) const {
  for (const Entry &entry : entries)
    if (entry.name == name)
      return &entry;
  return nullptr;
}

HostTensor NpzReader::read(const std::string &name) const {
  const Entry *entry = find(name);
  if (!entry)
    fail(AC_ERROR_FILE, "`%s` has no array `%s`", file.path.c_str(), name.c_str());
  std::string what = format("array `%s` of `%s`", name.c_str(), file.path.c_str());
  unsigned char local[30];
  if (entry->headerOffset > fileSize || fileSize - entry->headerOffset < sizeof(local))
    damaged("an array lies outside the file");
  file.readAt(local, sizeof(local), entry->headerOffset);
  uint64_t begin = entry->headerOffset + sizeof(local) + little(local + 26, 2) + little(local + 28, 2);
  if (little(local, 4) != localMagic || begin > fileSize || fileSize - begin < entry->compressedSize)
    damaged("an array lies outside the file");
  // No compressed byte stands for more than 1032: a lying size is refused before memory is taken.
  bool isStored = entry->method == 0;
  if ((isStored && entry->size != entry->compressedSize) || entry->size / 1032 > entry->compressedSize)
    damaged("the size of an array is impossible");
  if (!isStored && entry->method != 8)
    fail(AC_ERROR_FILE, "%s is compressed with method %u; save it with numpy.savez or numpy.savez_compressed",
         what.c_str(), entry->method);

  uint32_t crc = 0;
  HostTensor tensor;
  if (isStored) {
    uint64_t offset = begin, end = begin + entry->size;
    auto source = [&](void *data, size_t bytes) {
      if (bytes > end - offset)
        damaged("an array is truncated");
      file.readAt(data, bytes, offset);
      crc = crc32(data, bytes, crc);
      offset += bytes;
    };
    tensor = readNpy(source, entry->size, what);
    if (offset != end)
      damaged("an array is longer than its shape says");
  } else {
    Buffer compressed(static_cast<int64_t>(entry->compressedSize)), plain(static_cast<int64_t>(entry->size));
    file.readAt(compressed.data(), entry->compressedSize, begin);
    if (!inflate(reinterpret_cast<uint8_t *>(compressed.data()), entry->compressedSize,
                 reinterpret_cast<uint8_t *>(plain.data()), entry->size))
      fail(AC_ERROR_FILE, "%s is damaged: it cannot be decompressed", what.c_str());
    crc = crc32(plain.data(), entry->size);
    uint64_t offset = 0;
    auto source = [&](void *data, size_t bytes) {
      if (bytes > entry->size - offset)
        damaged("an array is truncated");
      memcpy(data, plain.data() + offset, bytes);
      offset += bytes;
    };
    tensor = readNpy(source, entry->size, what);
  }
  if (crc != entry->crc)
    fail(AC_ERROR_FILE, "%s is damaged: its checksum is wrong", what.c_str());
  return tensor;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

namespace {

class Bytes {
public:
  Bytes &add(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i)
      text += static_cast<char>(value >> 8 * i & 255);
    return *this;
  }
  Bytes &add(const std::string &more) {
    text += more;
    return *this;
  }
  std::string text;
};

/// What the local header and the directory say alike: version, flags (names are UTF-8), method, a fixed date (1980),
/// sum.
void addCommon(Bytes &bytes, uint32_t crc, bool isLarge, uint64_t size) {
  bytes.add(isLarge ? 45 : 20, 2).add(0x800, 2).add(0, 2).add(0, 2).add(0x21, 2).add(crc, 4);
  bytes.add(isLarge ? unknown32 : size, 4).add(isLarge ? unknown32 : size, 4);
}

} // namespace

void writeNpz(AtomicFile &out, const std::vector<std::pair<std::string, AcTensor>> &tensors) {
  Bytes directory;
  for (const auto &[name, tensor] : tensors) {
    std::string header = npyHeader(tensor), fileName = name + ".npy";
    if (fileName.size() > 0xffff)
      fail(AC_ERROR_ARGUMENT, "the name of output `%.60s…` is too long for a .npz file", name.c_str());
    size_t bytes = static_cast<size_t>(tensorBytes(tensor.type, tensor.dims, tensor.rank).value_or(0));
    uint32_t crc = crc32(tensor.data, bytes, crc32(header.data(), header.size()));
    uint64_t size = header.size() + bytes, offset = out.position();
    bool isLarge = size >= unknown32, isFar = offset >= unknown32;
    Bytes local;
    local.add(localMagic, 4);
    addCommon(local, crc, isLarge, size);
    local.add(fileName.size(), 2).add(isLarge ? 20 : 0, 2).add(fileName);
    if (isLarge)
      local.add(1, 2).add(16, 2).add(size, 8).add(size, 8);
    out.write(local.text.data(), local.text.size());
    out.write(header.data(), header.size());
    out.write(tensor.data, bytes);

    int extra = (isLarge ? 16 : 0) + (isFar ? 8 : 0);
    directory.add(entryMagic, 4).add(45, 2);
    addCommon(directory, crc, isLarge, size);
    directory.add(fileName.size(), 2).add(extra ? extra + 4 : 0, 2).add(0, 2).add(0, 2).add(0, 2).add(0, 4);
    directory.add(isFar ? unknown32 : offset, 4).add(fileName);
    if (extra)
      directory.add(1, 2).add(extra, 2);
    if (isLarge)
      directory.add(size, 8).add(size, 8);
    if (isFar)
      directory.add(offset, 8);
  }
  uint64_t begin = out.position(), size = directory.text.size(), count = tensors.size();
  bool isLarge = begin >= unknown32 || size >= unknown32 || count >= 0xffff;
  Bytes end;
  if (isLarge) {
    end.add(end64Magic, 4).add(44, 8).add(45, 2).add(45, 2).add(0, 4).add(0, 4).add(count, 8).add(count, 8);
    end.add(size, 8).add(begin, 8);
    end.add(locatorMagic, 4).add(0, 4).add(begin + size, 8).add(1, 4);
  }
  end.add(endMagic, 4).add(0, 2).add(0, 2).add(isLarge ? 0xffff : count, 2).add(isLarge ? 0xffff : count, 2);
  end.add(isLarge ? unknown32 : size, 4).add(isLarge ? unknown32 : begin, 4).add(0, 2);
  out.write(directory.text.data(), directory.text.size());
  out.write(end.text.data(), end.text.size());
}

} // namespace accordion
