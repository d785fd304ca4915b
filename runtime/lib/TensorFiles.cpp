//===- TensorFiles.cpp - Inputs and outputs of a run in files ---*- C++ -*-===//
//
// Part of the Accordion project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#include "TensorFiles.h"

#include "Failure.h"
#include "File.h"
#include "Npy.h"
#include "Npz.h"
#include "TensorProto.h"
#include "Types.h"

#include <filesystem>

namespace fs = std::filesystem;

namespace accordion {

static const char *numpyName(AcType type) {
  constexpr const char *names[numTypes] = {"float16", "ml_dtypes.bfloat16",
                                           "float32", "float64",
                                           "bool",    "int8",
                                           "int16",   "int32",
                                           "int64",   "uint8",
                                           "uint16",  "uint32",
                                           "uint64"};
  return names[type];
}

static void checkType(HostTensor &tensor, const TensorDeclaration &declared, const std::string &path) {
  if (tensor.mayBeBf16 && declared.type == AC_TYPE_BF16)
    tensor.type = AC_TYPE_BF16;
  if (tensor.type != declared.type)
    fail(AC_ERROR_INPUT, "input `%s` in `%s` has element type %s, expected %s: convert it with NumPy's astype(%s)",
         declared.name.c_str(), path.c_str(), typeName(tensor.type), typeName(declared.type), numpyName(declared.type));
}

static std::string listOf(const std::vector<std::string> &names) {
  std::string text;
  for (const std::string &name : names)
    text += (text.empty() ? "`" : ", `") + name + "`";
  return text.empty() ? "nothing" : text;
}

static InputFiles readArchive(const std::string &path, const std::vector<TensorDeclaration> &declared) {
  NpzReader archive(path);
  std::vector<std::string> missing;
  for (const TensorDeclaration &input : declared)
    if (!archive.contains(input.name))
      missing.push_back(input.name);
  if (!missing.empty())
    fail(AC_ERROR_INPUT, "`%s` lacks input %s of the model; it has %s", path.c_str(), listOf(missing).c_str(),
         listOf(archive.names()).c_str());
  InputFiles result;
  result.format = FileFormat::npz;
  for (const TensorDeclaration &input : declared) {
    result.tensors.push_back(archive.read(input.name));
    checkType(result.tensors.back(), input, path);
  }
  return result;
}

static InputFiles readFolder(const std::string &path, const std::vector<TensorDeclaration> &declared) {
  InputFiles result;
  std::vector<std::string> missing;
  for (size_t i = 0; i < declared.size(); ++i) {
    std::string stem = (fs::path(path) / ("input_" + std::to_string(i))).string();
    std::error_code ignored;
    if (fs::exists(stem + ".npy", ignored)) {
      result.tensors.push_back(readNpyFile(stem + ".npy"));
      checkType(result.tensors.back(), declared[i], stem + ".npy");
    } else if (fs::exists(stem + ".pb", ignored)) {
      result.tensors.push_back(readTensorProto(stem + ".pb"));
      checkType(result.tensors.back(), declared[i], stem + ".pb");
      result.format = FileFormat::pb;
    } else {
      missing.push_back("input_" + std::to_string(i) + ".npy` or `.pb` for `" + declared[i].name);
    }
  }
  if (!missing.empty())
    fail(AC_ERROR_INPUT, "the folder `%s` lacks %s", path.c_str(), listOf(missing).c_str());
  return result;
}

static bool isArchive(const std::string &path) { return fs::path(path).extension() == ".npz"; }

InputFiles readInputs(const std::string &path, const std::vector<TensorDeclaration> &declared) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    return readFolder(path, declared);
  if (isArchive(path) || fs::exists(path, ignored))
    return readArchive(path, declared);
  fail(AC_ERROR_FILE, "there is no file or folder `%s` with the inputs", path.c_str());
}

void writeOutputs(const std::string &path, FileFormat format, const std::vector<TensorDeclaration> &declared,
                  const std::vector<AcTensor> &tensors) {
  if (isArchive(path)) {
    std::vector<std::pair<std::string, AcTensor>> named;
    for (size_t i = 0; i < tensors.size(); ++i)
      named.emplace_back(declared[i].name, tensors[i]);
    AtomicFile out(path);
    writeNpz(out, named);
    out.commit();
    return;
  }

  std::error_code error;
  bool isNew = fs::create_directories(path, error);
  if (error)
    fail(AC_ERROR_FILE, "cannot make the folder `%s`: %s", path.c_str(), error.message().c_str());
  try {
    std::vector<AtomicFile> files;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const AcTensor &tensor = tensors[i];
      bool isProto = format == FileFormat::pb;
      files.emplace_back((fs::path(path) / ("output_" + std::to_string(i) + (isProto ? ".pb" : ".npy"))).string());
      std::string header = isProto ? tensorProtoHeader(declared[i].name, tensor) : npyHeader(tensor);
      files.back().write(header.data(), header.size());
      files.back().write(tensor.data,
                         static_cast<size_t>(tensorBytes(tensor.type, tensor.dims, tensor.rank).value_or(0)));
      files.back().finish();
    }
    for (AtomicFile &file : files)
      file.commit();
  } catch (...) {
    if (isNew)
      fs::remove(path, error);
    throw;
  }
}

} // namespace accordion
